/* The sound of an urgent alarm that nobody has acknowledged. Browsers are silent until somebody has clicked: that is shown. */

import { t } from "./texts.js";

const EVERY_MS = 3000;
const TONES = [[880, 0], [660, 0.22], [880, 0.44]];

export class Siren {
  constructor(button) {
    this.button = button;
    this.wanted = localStorage.getItem("sound") !== "off";
    this.needed = false;
    this.context = null;
    button.addEventListener("click", () => this.toggle());
    // After the gesture, not at its beginning: the button's new text must not move what is being clicked.
    for (const gesture of ["click", "keyup"]) {
      addEventListener(gesture, (event) => { if (this.wanted && event.target !== button) this.unlock(); });
    }
    setInterval(() => this.sound(), EVERY_MS);
    this.show();
  }

  get audible() {
    return this.wanted && this.context?.state === "running";
  }

  need(needed) {
    const begins = needed && !this.needed;
    this.needed = needed;
    if (begins) this.sound();
    this.show();
  }

  async toggle() {
    if (this.audible) {
      this.wanted = false;
    } else {
      this.wanted = true;
      await this.unlock();
      this.play(0.5);
    }
    localStorage.setItem("sound", this.wanted ? "on" : "off");
    this.show();
  }

  async unlock() {
    try {
      this.context ??= new AudioContext();
      if (this.context.state !== "running") await this.context.resume();
    } catch {
      this.context = null; // no sound device: shown as blocked
    }
    this.show();
  }

  sound() {
    if (this.needed && this.audible) this.play(1);
    this.show();
  }

  play(loudness) {
    if (!this.audible) return;
    for (const [pitch, after] of TONES) {
      const at = this.context.currentTime + after;
      const tone = this.context.createOscillator();
      const volume = this.context.createGain();
      tone.type = "square";
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.0001, at);
      volume.gain.exponentialRampToValueAtTime(0.22 * loudness, at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.19);
      tone.connect(volume).connect(this.context.destination);
      tone.start(at);
      tone.stop(at + 0.2);
    }
  }

  show() {
    let text = t("ui.sound.on");
    if (!this.wanted) text = t("ui.sound.off");
    else if (!this.audible) text = t("ui.sound.blocked");
    if (this.button.textContent !== text) this.button.textContent = text;
    this.button.setAttribute("aria-pressed", String(this.audible));
    this.button.dataset.sound = this.audible ? "on" : "off";
    this.button.dataset.needed = this.needed ? "yes" : "no";
  }
}
