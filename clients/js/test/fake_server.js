// The part of the HTTP API that the SDK uses, in memory, with faults on request.
import { createServer } from 'node:http';
import { once } from 'node:events';

export class FakeServer {
  messages = []; // of the one user that there is, not acknowledged yet
  calls = []; // { method, path, body, headers } of everything but polls
  acks = [];
  polls = 0;
  sessions = []; // left when the test ends
  faults = []; // answers for the next calls: { match: RegExp, status, headers?, body?, times? }
  routes = new Map(); // 'PUT /publish' -> (body, call) => { status, body }
  #waiting = new Set();
  #number = 0;

  static async start(t) {
    const fake = new FakeServer();
    const server = createServer((req, res) => fake.#serve(req, res));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    fake.url = `http://127.0.0.1:${server.address().port}`;
    t.after(async () => {
      for (const session of fake.sessions) await session.leave();
      server.closeAllConnections();
      server.close();
    });
    return fake;
  }

  /** Queues a message for the user; the same id again is a redelivery. */
  push(type, data = {}, { id = `m${++this.#number}`, from, epoch = 1 } = {}) {
    this.messages.push({ id, type, time: new Date().toISOString(), session: 's', from, epoch, data });
    for (const wake of this.#waiting) wake();
    return id;
  }

  joined({ users = [], epoch = 1 } = {}) {
    const user = { id: 'me', name: 'Me', streams: [] };
    this.push('joined', { user, users: [user, ...users], iceServers: [], epoch }, { epoch });
  }

  callsOf(method, path) {
    return this.calls.filter((call) => call.method === method && call.path === path);
  }

  async #serve(req, res) {
    let text = '';
    for await (const chunk of req) text += chunk;
    const url = new URL(req.url, this.url);
    const path = url.pathname.replace(/^\/v1\/sessions\/s(\/users\/me)?/, '') || '/';
    const call = { method: req.method, path, headers: req.headers, body: text ? JSON.parse(text) : undefined };
    const answer = this.#fault(`${req.method} ${path}`) ?? (await this.#answer(call, url, res));
    if (!answer) return;
    res.writeHead(answer.status, answer.headers).end(answer.body === undefined ? '' : JSON.stringify(answer.body));
  }

  #fault(name) {
    const fault = this.faults.find(({ match }) => match.test(name));
    if (fault && (fault.times = (fault.times ?? 1) - 1) <= 0) this.faults.splice(this.faults.indexOf(fault), 1);
    return fault && { body: { code: fault.code }, ...fault };
  }

  async #answer(call, url, res) {
    if (call.method === 'GET' && call.path === '/messages') return this.#poll(url.searchParams, res);
    this.calls.push(call);
    const route = this.routes.get(`${call.method} ${call.path}`);
    if (route) return route(call.body, call);
    return call.method === 'POST' && call.path === '/messages'
      ? { status: 202, body: { id: 'sent' } }
      : { status: 204 };
  }

  async #poll(params, res) {
    this.polls++;
    const ack = params.get('ack');
    if (ack) this.acks.push(ack);
    const upTo = this.messages.findIndex(({ id }) => id === ack);
    this.messages.splice(0, upTo + 1);
    if (this.messages.length === 0) {
      await new Promise((resolve) => {
        this.#waiting.add(resolve);
        res.on('close', resolve);
      }).finally(() => this.#waiting.clear());
    }
    const messages = this.messages.slice(0, Number(params.get('limit')));
    return { status: 200, body: { messages, cursor: messages.at(-1)?.id ?? ack ?? 'none' } };
  }
}
