// The publish connection: the client offers.
import { delay } from './api.js';
import { Connection } from './connection.js';
import { encodingsFor } from './layers.js';

const answerTime = 5_000; // ms to wait for the message `answer` after a 202, then the same offer is sent again

/**
 * Brings the publish connection in line with the streams that are wanted. Methods change what is wanted and start the
 * one loop that negotiates, round by round: an offer is settled before the next one is made, because the server counts.
 */
export class Publisher extends Connection {
  #streams = new Set();
  #transceivers = new Map(); // track -> RTCRtpTransceiver
  #seq = 0;
  #wanted = { change: false, iceRestart: false, fresh: false };
  #loop = null;
  #expected = null; // { seq, resolve } of the answer that is awaited as a message

  constructor(host, { simulcast }) {
    super('publish', host);
    this.simulcast = simulcast;
  }

  get active() {
    return this.#streams.size > 0;
  }

  /** The tracks that are published. */
  get tracks() {
    return [...this.#streams].flatMap((stream) => stream.getTracks());
  }

  async publish(stream) {
    this.#streams.add(stream);
    try {
      await this.#negotiate();
    } catch (err) {
      this.#streams.delete(stream);
      throw err;
    }
  }

  unpublish(stream) {
    if (stream) this.#streams.delete(stream);
    else this.#streams.clear();
    return this.#negotiate();
  }

  async replaceTrack(old, track) {
    for (const stream of this.#streams) {
      if (!stream.getTracks().includes(old)) continue;
      stream.removeTrack(old);
      stream.addTrack(track);
    }
    const transceiver = this.#transceivers.get(old);
    if (transceiver) this.#transceivers.set(track, transceiver);
    this.#transceivers.delete(old);
    const senders = [...sendersOf(this.pc), ...sendersOf(this.previous)].filter((sender) => sender.track === old);
    await Promise.all(senders.map((sender) => sender.replaceTrack(track)));
  }

  /** A new join or epoch: offers count from 1 again; what was published is published again. keep: see reset(). */
  restart({ keep } = {}) {
    this.reset({ keep });
    this.#seq = 0;
    if (this.active) this.#negotiate().catch((error) => this.host.emit('error', error));
  }

  repairWith(how) {
    if (!this.active) return;
    this.#negotiate(how).catch((error) => this.host.emit('error', error));
  }

  /** The message `answer`. */
  answer({ seq, sdp }) {
    if (this.#expected?.seq === seq) this.#expected.resolve(sdp);
  }

  /** What `sync` knows of this connection; undefined: nothing. */
  sync(known) {
    if (known?.answer) this.answer({ seq: known.seq, sdp: known.answer });
    if (this.#loop) return;
    this.#seq = Math.max(this.#seq, known?.seq ?? 0);
    if (this.pc && (known?.state === 'failed' || known?.state === 'closed')) this.repair({ force: true });
  }

  #negotiate(how = {}) {
    this.#wanted = { ...this.#wanted, ...how, change: true };
    this.#loop ??= this.#run().finally(() => {
      this.#loop = null;
    });
    return this.#loop;
  }

  async #run() {
    await null; // so that several changes made together are one offer
    while (this.#wanted.change) {
      const { signal } = this;
      const how = this.#wanted;
      this.#wanted = { change: false, iceRestart: false, fresh: false };
      try {
        if (this.active) await this.#round(how, signal);
        else await this.#stop(signal);
      } catch (err) {
        if (signal.aborted) continue; // restart() asked for another round, or the session is over
        if (err.status !== 409) throw err;
        this.#wanted.change = true;
        if (err.code === 'stale_epoch') await this.host.stale();
        else await this.host.rejoin(); // the server counted otherwise: begin anew
      }
    }
  }

  async #round({ iceRestart, fresh }, signal) {
    if (!this.pc || fresh) {
      this.openPeer();
      this.#transceivers.clear();
    }
    const { pc } = this;
    await this.#applyTracks(pc);
    await pc.setLocalDescription(await pc.createOffer({ iceRestart }));
    signal.throwIfAborted();
    const sdp = await this.#exchange(this.#seq + 1, pc.localDescription.sdp, signal);
    this.#seq++;
    signal.throwIfAborted();
    await this.setRemote('answer', sdp);
  }

  async #exchange(seq, sdp, signal) {
    const answered = new Promise((resolve) => {
      this.#expected = { seq, resolve };
    });
    const { api, epoch } = this.host;
    for (;;) {
      const result = await api.call('PUT', `${api.user}/publish`, {
        body: { sdp, seq, epoch },
        headers: { Prefer: 'wait=5' },
        attempts: Infinity,
        signal,
      });
      const answer = result?.sdp ?? (await Promise.race([answered, delay(answerTime, signal)]));
      if (answer) return answer;
    }
  }

  async #stop(signal) {
    this.release();
    this.closePeer();
    this.#transceivers.clear();
    await this.host.api.call('DELETE', `${this.host.api.user}/publish`, { signal, attempts: Infinity });
  }

  async #applyTracks(pc) {
    const wanted = new Map();
    for (const stream of this.#streams) for (const track of stream.getTracks()) wanted.set(track, stream);
    for (const sender of sendersOf(this.previous)) {
      if (sender.track && !wanted.has(sender.track)) await sender.replaceTrack(null);
    }
    for (const [track, transceiver] of this.#transceivers) {
      if (wanted.has(track)) continue;
      this.#transceivers.delete(track);
      transceiver.direction = 'inactive';
      await transceiver.sender.replaceTrack(null);
    }
    for (const [track, stream] of wanted) {
      if (!this.#transceivers.has(track)) this.#transceivers.set(track, await this.#send(pc, track, stream));
    }
  }

  // Takes a place in the SDP that an earlier track left, so that offers do not grow for ever. How many layers a place has
  // is settled when it is made.
  async #send(pc, track, stream) {
    const sendEncodings = this.simulcast ? encodingsFor(track) : undefined;
    const layers = sendEncodings?.length ?? 1;
    const free = pc
      .getTransceivers()
      .find((t) => t.direction === 'inactive' && !t.sender.track && t.receiver.track.kind === track.kind && layersOf(t) === layers);
    if (!free) return pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], ...(sendEncodings && { sendEncodings }) });
    free.sender.setStreams(stream);
    free.direction = 'sendonly';
    await free.sender.replaceTrack(track);
    return free;
  }
}

const layersOf = ({ sender }) => Math.max(sender.getParameters?.().encodings?.length ?? 1, 1);

const sendersOf = (pc) => pc?.getSenders() ?? [];
