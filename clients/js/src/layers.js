// How video is sent in several layers: as simulcast, one encoding each (RFC 8853).

const minWidth = 640; // below that the smaller pictures would be of no use
const rates = { q: 150_000, h: 500_000 }; // bits per second; the full picture takes what there is

/**
 * The encodings for a video track, lowest first, or undefined for one layer: the track is small, is no camera (a screen
 * is read, not glanced at), or does not say how large it is.
 */
export function encodingsFor(track) {
  if (track.kind !== 'video' || track.contentHint === 'detail' || track.contentHint === 'text') return undefined;
  const { width = 0, displaySurface } = track.getSettings?.() ?? {};
  if (width < minWidth || displaySurface) return undefined;
  return [
    { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: rates.q },
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: rates.h },
    { rid: 'f', scaleResolutionDownBy: 1 },
  ];
}
