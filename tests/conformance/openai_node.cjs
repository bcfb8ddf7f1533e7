/* openai-node, unmodified: models, chat, strict stream helpers, completions, errors, retries, aborts.
 * node openai_node.cjs WITAN_JSON FOLDER_OF_NODE_MODULES */
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');
const { setTimeout: nap } = require('node:timers/promises');
const OpenAI = createRequire(path.resolve(process.argv[3]) + '/')('openai').OpenAI;

const cluster = () => JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const state = cluster();
const client = new OpenAI({ baseURL: state.http + '/v1', apiKey: state.admin_key, maxRetries: 0 });
const WHO = [{ role: 'user', content: 'Who are you?' }];
const CHAT = { model: 'tiny', messages: WHO, temperature: 0 };
const LONG = { model: 'tiny', prompt: 'Once upon a time', max_tokens: 900, ignore_eos: true };
const LONGER = { ...LONG, n: 8 };

/* Sum of a metric over the processes of a role and all labels. */
async function metric(role, name) {
  let sum = 0;
  for (const p of state.processes.filter((p) => p.role === role))
    for (const line of (await (await fetch(`http://${p.metrics}/metrics`)).text()).split('\n'))
      if (line.split(/[{ ]/)[0] === name) sum += Number(line.split(' ').at(-1));
  return sum;
}
async function until(role, name, want) {
  const end = Date.now() + 120000;
  for (let got; (got = await metric(role, name)) !== want; await nap(10))
    assert.ok(Date.now() < end, `${name} is ${got}, not ${want}, after 120 s`);
}
function signal(role, what) {
  for (const p of cluster().processes.filter((p) => p.role === role)) process.kill(p.pid, what);
}
const raises = (kind, promise) => promise.then(() => assert.fail(`no ${kind.name}`),
  (e) => { assert.ok(e instanceof kind, `${e.constructor.name}: ${e.message}`); return e; });

const tests = {
  async 'models are listed'() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    assert.deepEqual(ids, ['tiny']);
    assert.equal((await client.models.retrieve('tiny')).id, 'tiny');
  },
  async 'a chat answers'() {
    const r = await client.chat.completions.create(CHAT);
    assert.equal(r.choices[0].message.content, 'I am the tiny model of Witan.');
    assert.equal(r.choices[0].finish_reason, 'stop');
    assert.equal(r.usage.total_tokens, r.usage.prompt_tokens + r.usage.completion_tokens);
    assert.match((await client.chat.completions.create(CHAT).withResponse()).request_id, /^[0-9a-f-]{36}$/);
  },
  async 'a stream equals the whole'() {
    const ask = { model: 'tiny', messages: WHO, seed: 3, max_tokens: 60 };
    const whole = await client.chat.completions.create(ask);
    let text = '', usage = null;
    const reasons = [];
    const more = { stream: true, stream_options: { include_usage: true } };
    for await (const c of await client.chat.completions.create({ ...ask, ...more })) {
      usage = c.usage ?? usage;
      for (const x of c.choices) {
        text += x.delta.content ?? '';
        if (x.finish_reason) reasons.push(x.finish_reason);
      }
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.deepEqual(reasons, [whole.choices[0].finish_reason]);
    assert.deepEqual(usage, whole.usage);
  },
  async 'the strict stream helper accepts it'() {
    const seen = { content: '', snapshot: '', chunks: 0, connected: false };
    const s = client.chat.completions.stream({ ...CHAT, stream_options: { include_usage: true } })
      .on('connect', () => { seen.connected = true; })
      .on('content', (delta, snapshot) => { seen.content += delta; seen.snapshot = snapshot; })
      .on('chunk', () => { seen.chunks++; });
    const last = await s.finalChatCompletion();
    assert.ok(seen.connected && seen.chunks > 3);
    assert.equal(seen.content, 'I am the tiny model of Witan.');
    assert.equal(seen.snapshot, last.choices[0].message.content);
    assert.equal(await s.finalContent(), seen.content);
    assert.ok((await s.totalUsage()).completion_tokens > 0);
  },
  async 'choices and log-probabilities are streamed'() {
    const ask = { ...CHAT, temperature: 1, seed: 5, n: 2, max_tokens: 12, logprobs: true, top_logprobs: 2 };
    const r = await client.chat.completions.stream(ask).finalChatCompletion();
    /* By hand: the helper of this version pushes the first chunk's entry twice. */
    const tokens = ['', ''];
    for await (const c of await client.chat.completions.create({ ...ask, stream: true }))
      for (const x of c.choices)
        for (const t of x.logprobs.content) {
          tokens[x.index] += t.token;
          assert.ok(t.logprob <= 0 && t.top_logprobs.length === 2);
        }
    assert.deepEqual(r.choices.map((c) => c.message.content), tokens);
    for (const c of r.choices) assert.ok(c.logprobs.content.length > 0);
  },
  async 'completions, whole and streamed'() {
    const ask = { model: 'tiny', prompt: ['Once upon', 'The King'], n: 2, max_tokens: 8, seed: 1 };
    const r = await client.completions.create(ask);
    assert.deepEqual(r.choices.map((c) => c.index), [0, 1, 2, 3]);
    const text = ['', '', '', ''];
    for await (const c of await client.completions.create({ ...ask, stream: true }))
      for (const x of c.choices) text[x.index] += x.text;
    assert.deepEqual(text, r.choices.map((c) => c.text));
  },
  async 'stop strings end the text'() {
    const r = await client.chat.completions.create({ ...CHAT, stop: [' model', ' tiny'] });
    assert.equal(r.choices[0].message.content, 'I am the');
    assert.equal(r.choices[0].finish_reason, 'stop');
  },
  async 'errors have their classes'() {
    const chat = (more) => client.chat.completions.create({ ...CHAT, ...more });
    assert.equal((await raises(OpenAI.NotFoundError, chat({ model: 'gpt-9' }))).code, 'model_not_found');
    assert.equal((await raises(OpenAI.BadRequestError, chat({ temperature: 3 }))).param, 'temperature');
    assert.equal((await raises(OpenAI.BadRequestError, chat({ max_tokens: 5000 }))).code,
                 'context_length_exceeded');
    const huge = [{ role: 'user', content: 'x'.repeat(9 << 20) }];
    assert.equal((await raises(OpenAI.APIError, chat({ messages: huge }))).status, 413);
    const wrong = new OpenAI({ baseURL: state.http + '/v1', apiKey: 'wt-wrong', maxRetries: 0 });
    assert.equal((await raises(OpenAI.AuthenticationError, wrong.models.list())).code, 'invalid_api_key');
  },
  async 'a failure is tried again by the client'() {
    /* The router stands still: 503 with Retry-After; the client asks again, and the router goes on. */
    const seen = [];
    const patient = new OpenAI({
      baseURL: state.http + '/v1', apiKey: state.admin_key, maxRetries: 3,
      fetch: async (...how) => {
        const r = await fetch(...how);
        seen.push([r.status, r.headers.get('retry-after')]);
        if (r.status === 503) signal('router', 'SIGCONT');
        return r;
      },
    });
    signal('router', 'SIGSTOP');
    try {
      const r = await patient.completions.create({ model: 'tiny', prompt: 'Once', max_tokens: 4 });
      assert.equal(r.usage.completion_tokens, 4);
    } finally {
      signal('router', 'SIGCONT');
    }
    assert.deepEqual(seen, [[503, '1'], [200, null]]);
  },
  async 'an aborted stream frees its sequence'() {
    const gone = await metric('gateway', 'witan_gateway_client_closed_total');
    const before = await metric('gateway', 'witan_gateway_completion_tokens_total');
    let read = 0;
    for (let i = 0; i < 5; i++) {
      const controller = new AbortController();
      const s = await client.completions.create({ ...LONGER, stream: true }, { signal: controller.signal });
      let mine = 0;
      for await (const _ of s) {
        read++;
        if (++mine === 3) controller.abort();
      }
      assert.ok(mine < 900);
    }
    await until('gateway', 'witan_gateway_client_closed_total', gone + 5);
    await until('router', 'witan_router_sequences_running', 0);
    const made = await metric('gateway', 'witan_gateway_completion_tokens_total') - before;
    console.log(`# ${read} chunks were read, ${made} tokens were made for them`);
    assert.ok(made < 5 * LONGER.n * LONGER.max_tokens / 4);
  },
  async 'the helper aborts'() {
    const gone = await metric('gateway', 'witan_gateway_client_closed_total');
    const s = client.chat.completions.stream({ ...CHAT, max_tokens: 900, ignore_eos: true });
    s.on('content', () => s.abort());
    await raises(OpenAI.APIUserAbortError, s.finalChatCompletion());
    await until('gateway', 'witan_gateway_client_closed_total', gone + 1);
    await until('router', 'witan_router_sequences_running', 0);
  },
  async 'a timeout frees its sequence'() {
    const begun = Date.now();
    await client.completions.create(LONGER);
    const whole = Date.now() - begun;                    // what is too short for this machine
    const gone = await metric('gateway', 'witan_gateway_client_closed_total');
    await raises(OpenAI.APIConnectionTimeoutError, client.completions.create(LONGER, { timeout: Math.ceil(whole / 4) }));
    await until('gateway', 'witan_gateway_client_closed_total', gone + 1);
    await until('router', 'witan_router_sequences_running', 0);
  },
  async 'sixteen at once give what one gives'() {
    const ask = (seed) => client.completions.create({ model: 'tiny', prompt: 'Once upon a time', seed,
                                                      max_tokens: 32 }).then((r) => r.choices[0].text);
    const alone = [], seeds = [...Array(16).keys()];
    for (const i of seeds) alone.push(await ask(i));
    assert.deepEqual(await Promise.all(seeds.map(ask)), alone);
  },
};

(async () => {
  let n = 0;
  for (const [name, f] of Object.entries(tests)) {
    const start = Date.now();
    await f();
    console.log(`ok ${++n} - ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  }
  console.log(`${n} passed, 0 failed`);
})().catch((e) => { console.error(e); process.exit(1); });
