// How video is sent in several layers: as simulcast, one encoding each (RFC 8853).

// From what width on a picture is sent in so many sizes. Chromium keeps to the same bounds: of more sizes it would leave
// out the largest.
const widthForTwo = 640;
const widthForThree = 960;
const quarter = { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 }; // bits per second
const half = { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 };
const full = { rid: 'f', scaleResolutionDownBy: 1 }; // takes what there is

/**
 * The encodings for a video track, lowest first, or undefined for one layer: the track is small, is no camera (a screen
 * is read, not glanced at), or does not say how large it is.
 */
export function encodingsFor(track) {
  if (track.kind !== 'video' || track.contentHint === 'detail' || track.contentHint === 'text') return undefined;
  const { width = 0, displaySurface } = track.getSettings?.() ?? {};
  if (width < widthForTwo || displaySurface) return undefined;
  return width < widthForThree ? [half, full] : [quarter, half, full];
}
