'use strict';

// Every class that the client knows, every method and every event of it, by the client's own description: it works, or
// it is refused with the code that is expected.

const { ask, assert, connect, kurento, make } = require('./client.js');
const { soon } = require('./peer.js');

const NOT_AVAILABLE = 40108;
const NOT_SUPPORTED = 40111;

// What the client has for itself.
const own = ['_invoke', 'catch', 'commited', 'constructor', 'release', 'then'];
const ownOfPipelines = ['connect']; // connects a list of elements, one by one

// What gives objects: the client calls no callback then, and its promise knows no errors.
const described = ['getChildren', 'getMediaPipeline', 'getParent', 'getPipelines'];

// Methods that are refused in every class that has them, by the state that the methods before left the object in.
const refused = {
  closeDataChannel: NOT_SUPPORTED, // made without
  createDataChannel: NOT_SUPPORTED,
  dumpGstreamerDot: NOT_SUPPORTED,
  gatherCandidates: 40400, // not negotiated
  getElementGstreamerDot: NOT_SUPPORTED,
  getGstreamerDot: NOT_SUPPORTED,
  getKmd: 40500, // there are no module descriptions
  getRemoteSessionDescriptor: 40203,
  play: 40600, // there is no such file
  processAnswer: 40201, // no SDP
  processOffer: 40208, // generateOffer was before
  setPosition: 40700, // nothing is played
  setAudioFormat: NOT_SUPPORTED,
  setVideoFormat: NOT_SUPPORTED,
};

// What is refused for the state of the object only.
const ofState = [
  'closeDataChannel', 'createDataChannel', 'gatherCandidates', 'getRemoteSessionDescriptor', 'play', 'processAnswer',
  'processOffer', 'setPosition',
];

// Constructor parameters besides the pipeline, by class.
const constructions = {
  GStreamerFilter: { command: 'videobalance' },
  PlayerEndpoint: { uri: 'nowhere.webm' },
  RecorderEndpoint: { uri: 'swept.webm' },
};

function register(type, fields) {
  return kurento.getComplexType(type)(fields);
}

// by parameter; what is not here is optional.
const values = {
  answer: 'no SDP',
  candidate: register('IceCandidate', {
    candidate: 'candidate:1 1 UDP 2130706431 127.0.0.1 9 typ host', sdpMid: '0', sdpMLineIndex: 0,
  }),
  caps: register('AudioCaps', { codec: 'RAW', bitrate: 1 }),
  channelId: 1,
  details: 'SHOW_ALL',
  interval: 10,
  key: 'a',
  media: 'VIDEO',
  mediaType: 'VIDEO',
  moduleName: 'core',
  offer: 'no SDP',
  position: 0,
  rembParams: register('RembParams', { packetsRecvIntervalTop: 100 }),
  value: 'b',
};

const optional = [
  'binName', 'description', 'label', 'maxPacketLifeTime', 'maxRetransmits', 'options', 'ordered', 'protocol',
  'sinkMediaDescription', 'sourceMediaDescription',
];

function parameters(method) {
  const [, list] = /\(([^)]*)\)/.exec(method.toString());
  return list.split(',').map((name) => name.trim()).filter((name) => name && name !== 'callback');
}

function methods(type) {
  const names = new Set();
  for (let level = type.prototype; level.constructor.name !== 'EventEmitter'; level = Object.getPrototypeOf(level)) {
    Object.getOwnPropertyNames(level).forEach((name) => names.add(name));
  }
  const skipped = type.name === 'MediaPipeline' ? [...own, ...ownOfPipelines] : own;
  return [...names].filter((name) => !skipped.includes(name)).sort();
}

function call(object, name, args) {
  const answered = described.includes(name)
    ? object[name]().then((result) => ({ result }))
    : new Promise((resolve) => object[name](...args, (error, result) => resolve({ error, result })));
  return soon(answered, () => `${name} of ${object.id} is not answered`);
}

// arguments are given by name; a setter is given what its getter gave.
async function argumentsOf(object, name, others) {
  if (name.startsWith('set') && object[`get${name.slice(3)}`]) {
    const { result } = await call(object, `get${name.slice(3)}`, []);
    return [result];
  }
  return parameters(object[name]).map((parameter) => {
    if (optional.includes(parameter)) return undefined;
    const value = values[parameter] ?? others[parameter];
    assert.notEqual(value, undefined, `no value for parameter ${parameter} of ${name}`);
    return value;
  });
}

async function ports(hub) {
  const made = [];
  for (let i = 0; i < 2; i++) made.push((await call(hub, 'createHubPort', [])).result);
  return { source: made[0], sink: made[1] };
}

function classOf(name) {
  return kurento.register.classes[name] ?? kurento.register.abstracts[name];
}

// sweep gives the methods of an object that are refused, with their codes.
async function sweep(name, object, sink) {
  const type = classOf(name);
  for (const event of type.events) object.on(event, () => {});
  const others = object.createHubPort ? await ports(object) : { sink };
  const found = {};
  for (const method of methods(type)) {
    const { error } = await call(object, method, await argumentsOf(object, method, others));
    if (error) found[method] = error.code;
  }
  return found;
}

// construct makes an object. A port is taken from another client: this one forgets to give those that it makes what
// they need to describe others.
async function construct(pipeline, name, another) {
  if (name !== 'HubPort') return make(pipeline, name, constructions[name]);
  const { object: hub } = await make(pipeline, 'Dispatcher');
  const { result: port } = await call(hub, 'createHubPort', []);
  const { result: object } = await call(another, 'getMediaobjectById', [port.id]);
  return { object };
}

async function main(url) {
  const [client, another] = [await connect(url), await connect(url)];
  const manager = await client.getServerManager();
  const factories = (await manager.getInfo()).modules.flatMap((module) => module.factories);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const { object: sink } = await make(pipeline, 'WebRtcEndpoint');
  const names = Object.keys(kurento.register.classes).filter((name) => !name.includes('.') && name !== 'MediaPipeline');
  const objects = { MediaPipeline: pipeline, ServerManager: manager };
  for (const name of names) {
    if (factories.includes(name)) {
      objects[name] = (await construct(pipeline, name, another)).object;
    } else {
      await assert.rejects(construct(pipeline, name, another), { code: NOT_AVAILABLE }, name);
      await ask('documented', `${name} ${NOT_AVAILABLE}`);
    }
  }
  const [found, expected] = [{}, {}];
  for (const [name, object] of Object.entries(objects)) {
    found[name] = await sweep(name, object, sink);
    const codes = methods(classOf(name)).filter((method) => method in refused);
    expected[name] = Object.fromEntries(codes.map((method) => [method, refused[method]]));
  }
  assert.deepEqual(found, expected);
  for (const [name, methods] of Object.entries(found)) {
    for (const [method, code] of Object.entries(methods)) {
      if (!ofState.includes(method)) await ask('documented', `${method} ${code} ${name}`);
    }
  }
  await pipeline.release();
  client.close();
  another.close();
}

main(process.argv[2]);
