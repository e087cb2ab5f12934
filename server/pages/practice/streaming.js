/* Plays HLS in a video element: by the browser itself, or by hls.js if the server has it. */

const TYPE = "application/vnd.apple.mpegurl";
const script = document.documentElement.dataset.hls; // its address, "" for none

/* Report whether HLS can be played at all; Safari always does it itself. */
export const canStream = (video) => video.canPlayType(TYPE) !== "" || (script !== "" && "MediaSource" in self);

export class Stream {
  /* Begin to play a playlist; begun is called when it may be played, failed if it cannot. */
  constructor(video, url, { begun, failed }) {
    if (video.canPlayType(TYPE) !== "") {
      video.src = url;
      video.load();
      begun();
      return;
    }
    video.removeAttribute("src");
    video.load(); // or the clip before would play on
    import(script).then(({ default: Hls }) => {
      if (this.stopped) return;
      // What it has for its worker is a blob, which our policy does not let run.
      this.hls = new Hls({ enableWorker: false });
      this.hls.on(Hls.Events.MEDIA_ATTACHED, begun);
      this.hls.on(Hls.Events.ERROR, (_, { fatal }) => fatal && failed());
      this.hls.loadSource(url);
      this.hls.attachMedia(video);
    }).catch(() => this.stopped || failed());
  }

  stop() {
    this.stopped = true;
    this.hls?.destroy();
  }
}
