// How long a picture stood still, as one sees it: from the last frame that was shown to the first one after.

const patience = 2_000; // ms to wait for the first frame of a stream that is back

/** Watches the frames of one video. */
export class PictureGap {
  #video;
  #handle;
  #last = performance.now(); // when a frame was shown
  #longest = 0; // since begin()
  #unseen = false; // hidden pages are shown no frames
  #waiting = () => {};
  #over = new AbortController();

  constructor(video) {
    this.#video = video;
    const hidden = () => { this.#unseen = true; };
    document.addEventListener('visibilitychange', hidden, { signal: this.#over.signal });
    this.#watch();
  }

  /** From now on the picture may stand still. */
  begin() {
    this.#longest = 0;
    this.#unseen = document.hidden;
  }

  /** The longest time without a frame since begin(), once the next frame is there; null when it could not be seen. */
  closed() {
    if (this.#unseen || !this.#handle) return null;
    return new Promise((resolve) => {
      this.#waiting = resolve;
      setTimeout(() => resolve(null), patience);
    });
  }

  end() {
    this.#over.abort();
    if (this.#handle) this.#video.cancelVideoFrameCallback(this.#handle);
    this.#waiting(null);
  }

  #watch() {
    this.#handle = this.#video.requestVideoFrameCallback?.((now) => {
      this.#longest = Math.max(this.#longest, now - this.#last);
      this.#last = now;
      this.#waiting(this.#longest);
      this.#watch();
    });
  }
}
