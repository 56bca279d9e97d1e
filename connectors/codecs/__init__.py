"""Pure codecs: profile and payload become events or Rejected, a command becomes a payload."""
