// The grid of pictures: one tile a stream, and one's own.
import { PictureGap } from './picture_gap.js';

// Device pixels that a tile has to be wide for the layers above the lowest to be seen.
const wide = 480;
const middling = 240;

/** Tiles live in grid; each is found again by its key. */
export class Tiles {
  #tiles = new Map(); // key -> figure
  #gaps = new Map(); // key -> PictureGap
  #sizes;

  /** onResize is called when a tile has another size. */
  constructor(grid, { onResize }) {
    this.grid = grid;
    this.#sizes = new ResizeObserver(onResize);
  }

  get size() {
    return this.#tiles.size;
  }

  /** Shows mediaStream under key, in the tile that is there or a new one. */
  show(key, { name, mediaStream, own = false, mirror = false }) {
    const tile = this.#tiles.get(key) ?? this.#make(key, own);
    tile.classList.toggle('mirror', mirror);
    tile.querySelector('.initial').textContent = ([...name][0] ?? '?').toUpperCase();
    tile.querySelector('figcaption').textContent = own ? `${name} (you)` : name;
    const video = tile.querySelector('video');
    if (video.srcObject === mediaStream) return;
    video.srcObject = mediaStream;
    if (!own) play(tile, video);
  }

  /** Says whether there is no picture to see. */
  setOff(key, off) {
    this.#tiles.get(key)?.classList.toggle('off', off);
  }

  /** Says whether there is nothing to hear. */
  setSilent(key, silent) {
    this.#tiles.get(key)?.classList.toggle('silent', silent);
  }

  /** Marks the tiles of those who speak. */
  setSpeaking(keys) {
    for (const [key, tile] of this.#tiles) tile.classList.toggle('speaking', keys.includes(key));
  }

  /** Says what is received of how many layers, unless it is the best there is. */
  setQuality(key, { layer, layers, limit }) {
    const badge = this.#tiles.get(key)?.querySelector('.quality');
    if (!badge) return;
    badge.textContent = limit === 'publisher' ? '' : `${layer + 1}/${layers}`;
    badge.title = { bandwidth: 'limited by the bandwidth', maxLayer: 'enough for the size of this tile' }[limit] ?? '';
    badge.classList.toggle('limited', limit === 'bandwidth');
  }

  /** The highest of a number of layers that can be seen in a tile; null: the highest there is. */
  layerFor(key, layers) {
    const tile = this.#tiles.get(key);
    if (!tile || document.hidden) return 0;
    const width = tile.clientWidth * devicePixelRatio;
    if (width >= wide) return null;
    return width >= middling ? Math.max(layers - 2, 0) : 0;
  }

  /** The stream is interrupted: its last picture stays. */
  interrupted(key) {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    this.#gaps.get(key).begin();
    tile.classList.add('healing');
    note(tile, 'reconnecting…');
  }

  /** The stream is back, ms after its last packet (null: paused), its picture in a moment: the tile says after what time. */
  async recovered(key, ms) {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    const interruption = tile.querySelector('.note');
    const seen = ms === null ? null : await this.#gaps.get(key).closed();
    if (tile.querySelector('.note') !== interruption) return; // interrupted again meanwhile
    tile.classList.remove('healing');
    note(tile, ms === null ? '' : `back after ${seconds(seen ?? ms)}`);
  }

  remove(key) {
    const tile = this.#tiles.get(key);
    this.#tiles.delete(key);
    this.#gaps.get(key)?.end();
    this.#gaps.delete(key);
    if (!tile) return;
    this.#sizes.unobserve(tile);
    tile.querySelector('video').srcObject = null;
    tile.remove();
  }

  clear() {
    for (const key of [...this.#tiles.keys()]) this.remove(key);
  }

  #make(key, own) {
    const tile = document.createElement('figure');
    tile.className = 'tile';
    tile.dataset.testid = own ? 'own-tile' : 'tile';
    tile.dataset.key = key;
    const video = document.createElement('video');
    Object.assign(video, { autoplay: true, playsInline: true, muted: own });
    const initial = Object.assign(document.createElement('span'), { className: 'initial' });
    const noted = Object.assign(document.createElement('span'), { className: 'note', role: 'status' });
    noted.dataset.testid = 'note';
    const quality = Object.assign(document.createElement('span'), { className: 'quality' });
    quality.dataset.testid = 'quality';
    tile.append(video, initial, document.createElement('figcaption'), noted, quality);
    this.#tiles.set(key, tile);
    this.#gaps.set(key, new PictureGap(video));
    this.grid.append(tile);
    this.#sizes.observe(tile);
    return tile;
  }
}

// Anew each time: what makes it fade away begins with the element.
function note(tile, text) {
  const old = tile.querySelector('.note');
  const next = old.cloneNode();
  next.textContent = text;
  old.replaceWith(next);
}

const seconds = (ms) => `${(ms / 1_000).toFixed(ms < 995 ? 2 : 1)} s`;

// Browsers play sound only after the user did something on the page: until then without it, and a button.
async function play(tile, video) {
  try {
    await video.play();
  } catch (err) {
    if (err.name !== 'NotAllowedError') return; // a newer srcObject took over
    video.muted = true;
    tile.append(unmuteButton(video));
    await video.play().catch(() => {});
  }
}

function unmuteButton(video) {
  const button = Object.assign(document.createElement('button'), { className: 'unmute', textContent: 'Sound on' });
  button.addEventListener('click', () => {
    video.muted = false;
    button.remove();
  });
  return button;
}
