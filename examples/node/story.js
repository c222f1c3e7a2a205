// What an agent in Node does with a daemon, told as it happens: node story.js [agent]

import { randomUUID } from 'node:crypto';
import { Statehouse } from './client.js';
import { fromPayload, fromStruct, jsonPayload, toStruct } from './values.js';

const agentId = process.argv[2] ?? 'node-agent';
const sh = new Statehouse(process.env.STATEHOUSE_URL ?? 'localhost:50051');

async function greet() {
  const { version } = await sh.call('version');
  const { status } = await sh.call('health');
  say(`The daemon is version ${version}, and says "${status}".`);
}

/** A transaction that grows in the daemon, call by call. */
async function staged() {
  const { txnId } = await sh.call('beginTransaction', { timeoutMs: 10_000 });
  const values = {
    plan: { goal: 'make tea', steps: ['boil water', 'brew'], done: false },
    'note/1': { text: 'water is in the tap' },
    'note/2': { text: 'tea is in the tin' },
    'note/3': { text: 'milk is out' },
  };
  for (const [key, value] of Object.entries(values)) {
    await sh.call('write', { txnId, agentId, key, value: toStruct(value) });
  }
  const { commitTs } = await sh.call('commit', { txnId });
  say(`Staged ${Object.keys(values).length} values; they became commit ${commitTs}.`);

  const plan = await sh.call('getState', { agentId, key: 'plan' });
  say(`  plan, version ${plan.version} @${plan.commitTs}: ${JSON.stringify(fromStruct(plan.value))}`);
  return commitTs;
}

/** A whole transaction in one call, with values as bytes: of any type, and integers as exact as their text. */
async function inOneCall() {
  const cents = { contentType: 'application/json', data: Buffer.from('{"cents":9007199254740993}') };
  const picture = { contentType: 'image/png', data: Buffer.from('89504e470d0a1a0a', 'hex') };
  const request = {
    txnId: randomUUID(),
    changes: [
      { agentId, key: 'ledger', payload: cents },
      { agentId, key: 'picture', payload: picture },
    ],
    origin: { agentId, runId: 'node-story', step: 'ledger' },
  };
  const first = await sh.commit(request);
  const again = await sh.commit(request);
  say(`Committed bytes: commit ${first.commitTs}.`);
  say(`  the same again: commit ${again.commitTs}, ${again.wasRepeated ? 'a repeat, applied once' : 'applied twice!'}`);

  const ledger = await sh.call('getState', { agentId, key: 'ledger', values: 'VALUES_AS_PAYLOAD' });
  say(`  ledger: ${ledger.payload.data}`);
}

/** Two that change one value: who comes second is told, and begins again. */
async function conflict() {
  const finish = async (attempt) => {
    const plan = await sh.call('getState', { agentId, key: 'plan', values: 'VALUES_AS_PAYLOAD' });
    if (attempt === 1) await somebodyElseChangesThePlan();
    return {
      readTs: plan.readTs,
      reads: [{ agentId, key: 'plan' }],
      changes: [{ agentId, key: 'plan', payload: jsonPayload({ ...fromPayload(plan.payload), done: true }) }],
    };
  };
  const { commitTs } = await sh.transact(finish, ({ code, details }) => {
    const keys = details.keys.map(({ key }) => key);
    say(`Refused with ${code}: commit ${details.commit_ts} changed ${keys}. Reading it again.`);
  });
  const { value } = await sh.call('getState', { agentId, key: 'plan' });
  say(`  plan @${commitTs}: ${JSON.stringify(fromStruct(value))}`);
}

async function somebodyElseChangesThePlan() {
  const plan = { goal: 'make coffee', steps: ['grind', 'brew'], done: false };
  await sh.commit({ txnId: randomUUID(), changes: [{ agentId, key: 'plan', value: toStruct(plan) }] });
}

/** A scan in pages, all of which are as of one commit. */
async function scan() {
  say('Notes, two a page:');
  let cursor;
  do {
    const page = await sh.call('scanPrefix', { agentId, prefix: 'note/', limit: 2, cursor });
    say(`  ${page.entries.map(({ key, value }) => `${key}: ${fromStruct(value).text}`).join('; ')}`);
    ({ cursor } = page);
  } while (cursor !== undefined);
}

/** What a read gave then, it gives now. */
async function asOf(commitTs) {
  const names = ['plan', 'ledger'].map((key) => ({ agentId, key }));
  const { entries: [plan, ledger] } = await sh.call('getMany', { names, atCommitTs: commitTs });
  say(`As of commit ${commitTs}:`);
  say(`  the goal was to ${fromStruct(plan.value).goal}, and the ledger had ${ledger.version} versions`);
}

/** Every event since a commit, in commit order. */
async function replay(commitTs) {
  say('What happened:');
  let last;
  for await (const event of sh.stream('replay', { agentId, startTs: commitTs })) {
    say(`  @${event.commitTs} ${event.operations.map(({ key, version }) => `${key} v${version}`).join(', ')}`);
    last = event.commitTs;
  }
  return last;
}

/** The next event, as it is committed. */
async function follow(last) {
  const next = nextEvent(last + 1);
  await sh.commit({ txnId: randomUUID(), changes: [{ agentId, key: 'note/3', delete: {} }] });
  const event = await next;
  say(`Followed: @${event.commitTs} ${event.operations.map(({ key, kind }) => `${kind} ${key}`)}`);
}

async function nextEvent(fromTs) {
  const request = { namespace: 'default', agentId, fromTs, follow: true, values: 'VALUES_AS_PAYLOAD' };
  for await (const { events } of sh.stream('replayBatches', request)) {
    // A page without events only says how far the daemon has looked.
    if (events.length > 0) return events[0];
  }
  throw new Error('a stream that follows does not end');
}

function say(line) {
  console.log(line);
}

try {
  await greet();
  const first = await staged();
  await inOneCall();
  await conflict();
  await scan();
  await asOf(first);
  await follow(await replay(first));
} catch (error) {
  console.error(`${error.code ?? error.name}: ${error.message}`);
  process.exitCode = 1;
} finally {
  sh.close();
}
