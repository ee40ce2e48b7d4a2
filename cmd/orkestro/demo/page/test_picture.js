// A picture and a tone that need no devices: moving colour bars, a clock, the name, and a quiet tone of its own pitch.

const width = 640;
const height = 360;
const frameRate = 24;
const volume = 0.02; // of full scale: to be measured, not to annoy

/** { stream, stop }: stream has one audio and one video track. */
export function testPicture(name) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  const hue = hueOf(name);
  const draw = () => paint(context, name, hue);
  draw();
  const timer = setInterval(draw, 1000 / frameRate);
  const stream = canvas.captureStream(frameRate);
  const audio = tone(220 + hue);
  stream.addTrack(audio.track);
  const tracks = stream.getTracks(); // the stream may be given others
  const stop = () => {
    clearInterval(timer);
    tracks.forEach((track) => track.stop());
    audio.close();
  };
  return { stream, stop };
}

function hueOf(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  return hash;
}

function paint(context, name, hue) {
  const now = Date.now();
  context.fillStyle = `hsl(${hue} 45% 18%)`;
  context.fillRect(0, 0, width, height);
  const bars = 8;
  const step = width / bars;
  for (let i = -1; i < bars; i++) {
    context.fillStyle = `hsl(${(hue + i * 26 + 360) % 360} 70% 52%)`;
    context.fillRect(i * step + ((now / 30) % step), height * 0.62, step * 0.7, height * 0.38);
  }
  context.fillStyle = '#fff';
  context.textAlign = 'center';
  context.font = '600 44px system-ui, sans-serif';
  context.fillText(name.slice(0, 22), width / 2, 100, width - 40);
  context.font = '400 40px ui-monospace, monospace';
  context.fillText(new Date(now).toISOString().slice(11, 23), width / 2, 170);
}

function tone(frequency) {
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency });
  const gain = new GainNode(context, { gain: volume });
  const out = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(gain).connect(out);
  oscillator.start();
  // Browsers make no sound on a page that nobody has touched.
  addEventListener('pointerdown', () => context.resume().catch(() => {}), { once: true });
  return { track: out.stream.getAudioTracks()[0], close: () => context.close() };
}
