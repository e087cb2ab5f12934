/* Draws a file from its first byte to its last, and what of it was sent. */

export const TONES = ["#ffb347", "#5fd0c5", "#8fb4ff", "#ff9d94", "#c7a8ff", "#b9d66a"];
const DARK = "#242932";
const FLASH_MS = 900;
const PAD = 6; // CSS pixels left and right, for half of the play head
const HOLD_MS = 1500; // after so long without bytes the player has paused the answer
const BAND = { top: 11, bottom: 57 }; // CSS pixels; the play head and the marks lie outside

export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /* Draw a film; head is the played share of it. Return whether more is to move. */
  draw(film, head, now) {
    const { pen } = this;
    const scale = this.fit();
    this.width = this.canvas.clientWidth - 2 * PAD;
    pen.setTransform(scale, 0, 0, scale, PAD * scale, 0);
    pen.clearRect(-PAD, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    this.drawBand();
    let moving = false;
    pen.save();
    pen.beginPath();
    pen.roundRect(0, BAND.top, this.width, BAND.bottom - BAND.top, 5);
    pen.clip();
    let age = film.answers.size;
    for (const answer of film.answers.values()) {
      age -= 1;
      this.tint = Math.max(1 - age * 0.08, 0.6); // what came last stands out
      for (const run of answer.runs.values()) {
        moving = this.drawRun(film, answer, run, now) || moving;
      }
    }
    pen.restore();
    for (const answer of film.answers.values()) {
      if (answer.state === "aborted" && answer.last) this.drawCut(film, answer);
    }
    if (head !== null) this.drawHead(head);
    return moving && !this.still.matches;
  }

  /* Match the canvas to the screen's pixels and return how many make one of CSS. */
  fit() {
    const scale = devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * scale);
    const height = Math.round(this.canvas.clientHeight * scale);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    return scale;
  }

  /* Return which share of the file a click on the canvas means. */
  shareAt(event) {
    return Math.min(Math.max((event.offsetX - PAD) / this.width, 0), 1);
  }

  x(film, position) {
    return (position / film.size) * this.width;
  }

  drawBand() {
    const { pen } = this;
    pen.fillStyle = DARK;
    pen.beginPath();
    pen.roundRect(0, BAND.top, this.width, BAND.bottom - BAND.top, 5);
    pen.fill();
    pen.fillStyle = "#3a414e";
    for (const quarter of [0.25, 0.5, 0.75]) {
      pen.fillRect(Math.round(this.width * quarter), BAND.top, 1, BAND.bottom - BAND.top);
    }
  }

  drawRun(film, answer, run, now) {
    const { pen } = this;
    const left = this.x(film, run.start);
    const right = Math.max(this.x(film, run.stop), left + 2);
    const height = BAND.bottom - BAND.top;
    pen.fillStyle = DARK; // or older answers would shine through
    pen.fillRect(left, BAND.top, right - left, height);
    pen.globalAlpha = this.tint;
    pen.fillStyle = answer.tone;
    pen.fillRect(left, BAND.top, right - left, height);
    pen.globalAlpha = 1;
    run.fresh = run.fresh.filter(({ at }) => now - at < FLASH_MS);
    if (this.still.matches) return false;
    for (const { from, to, at } of run.fresh) {
      pen.fillStyle = `rgba(255, 255, 255, ${0.85 * (1 - (now - at) / FLASH_MS)})`;
      const start = this.x(film, from);
      pen.fillRect(start, BAND.top, Math.max(this.x(film, to) - start, 2), height);
    }
    if (answer.state === "sending" && answer.last === run) {
      this.drawEdge(right, now);
      return now - run.grown < HOLD_MS;
    }
    return run.fresh.length > 0;
  }

  /* The end that still grows glows, and breathes once a second. */
  drawEdge(right, now) {
    const { pen } = this;
    const strength = 0.55 + 0.35 * Math.sin((now / 1000) * 2 * Math.PI);
    const glow = pen.createLinearGradient(right - 26, 0, right + 10, 0);
    glow.addColorStop(0, "rgba(255, 255, 255, 0)");
    glow.addColorStop(0.72, `rgba(255, 255, 255, ${strength})`);
    glow.addColorStop(1, "rgba(255, 255, 255, 0)");
    pen.fillStyle = glow;
    pen.fillRect(right - 26, BAND.top, 36, BAND.bottom - BAND.top);
  }

  drawCut(film, answer) {
    const { pen } = this;
    const x = this.x(film, answer.last.stop);
    pen.fillStyle = answer.tone;
    pen.beginPath();
    pen.moveTo(x, BAND.bottom + 2);
    pen.lineTo(x - 4.5, BAND.bottom + 9);
    pen.lineTo(x + 4.5, BAND.bottom + 9);
    pen.fill();
  }

  drawHead(share) {
    const { pen } = this;
    const x = share * this.width;
    pen.fillStyle = "#14161b";
    pen.fillRect(x - 2, BAND.top, 4, BAND.bottom - BAND.top);
    pen.fillStyle = "#fff";
    pen.fillRect(x - 1, 5, 2, BAND.bottom - 2);
    pen.beginPath();
    pen.moveTo(x - 5.5, 2);
    pen.lineTo(x + 5.5, 2);
    pen.lineTo(x, 10);
    pen.fill();
  }
}
