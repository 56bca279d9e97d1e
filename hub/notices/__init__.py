"""The outbox of notices: recipients, quiet hours, templates, attempts and receipts."""
