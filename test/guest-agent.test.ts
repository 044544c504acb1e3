import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { keepsStreamsApart, makeAgentGuest, VitrineProgram } from './guests/agent-guest.ts';

const MIB = 1 << 20;
/** How much goes through. */
const BYTES = Number(process.env.VITRINE_AGENT_MIB ?? 8) * MIB;

describe("a machine's agent", { timeout: 1_200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-exec-'));
  const vitrine = new VitrineProgram(folder);
  let machine: ChildProcess | undefined;
  let reason: string | undefined;

  const exec = (words: readonly string[], input?: Uint8Array) => vitrine.run(['exec', 'agent', '--', ...words], input);
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  const tests = (name: string, body: () => Promise<void>) =>
    it(name, (t) => (reason === undefined ? body() : t.skip(reason)));

  before(async () => {
    const boot = await makeAgentGuest(folder).catch((error: Error) => {
      reason = error.message;
    });
    if (!boot) return;
    const memory = `${256 + Math.ceil(BYTES / MIB)}M`;
    machine = await vitrine.startNamed('agent', [...boot, '--memory', memory, '--net', 'none']);
  });
  after(() => {
    machine?.kill();
    rmSync(folder, { recursive: true });
  });

  tests('is missed in one line before it runs, and waited for when that is asked', async () => {
    const early = await exec(['true']);
    assert.deepEqual([early.status, early.stderr], [1, 'vitrine: "agent": the guest has no agent that runs\n']);
    const { status, stdout, stderr } = await vitrine.run(['exec', '--wait', '600', 'agent', '--', 'uname', '-s']);
    assert.deepEqual([status, stdout.toString()], [0, 'Linux\n'], stderr);
  });

  tests('runs commands with output, messages and status apart', () => keepsStreamsApart(exec));

  tests('streams output without loss', async () => {
    const script = `head -c ${BYTES} /dev/urandom > /tmp/data; sha256sum < /tmp/data >&2; cat /tmp/data; rm /tmp/data`;
    const { status, stdout, stderr } = await exec(['sh', '-c', script]);
    assert.deepEqual([status, stdout.length], [0, BYTES]);
    assert.equal(stderr.split(' ')[0], sha256(stdout));
  });

  tests('copies files both ways', async () => {
    const [file, back] = [join(folder, 'file'), join(folder, 'back')];
    const data = randomBytes(BYTES);
    writeFileSync(file, data, { mode: 0o750 });
    const there = await vitrine.run(['cp', file, 'agent:/tmp']);
    assert.deepEqual([there.status, there.stderr], [0, '']);
    assert.match(
      (await exec(['sh', '-c', 'stat -c %a /tmp/file; sha256sum /tmp/file'])).stdout.toString(),
      new RegExp(`^750\n${sha256(data)}`),
    );
    const andBack = await vitrine.run(['cp', 'agent:/tmp/file', back]);
    assert.deepEqual([andBack.status, andBack.stderr], [0, '']);
    assert.equal(sha256(readFileSync(back)), sha256(data));
    const missing = await vitrine.run(['cp', 'agent:/nowhere', join(folder, 'none')]);
    assert.deepEqual([missing.status, missing.stderr.trim().split('\n').length], [1, 1]);
    assert.throws(() => statSync(join(folder, 'none')));
  });

  tests('hangs up what nobody waits for any more', async () => {
    const client = vitrine.start(['exec', 'agent', '--', 'sh', '-c', 'echo $$ > /tmp/pid; while :; do sleep 1; done']);
    assert.equal((await exec(['sh', '-c', 'while ! [ -s /tmp/pid ]; do sleep 0.1; done'])).status, 0);
    client.kill('SIGKILL');
    assert.equal((await exec(['sh', '-c', 'while [ -d /proc/$(cat /tmp/pid) ]; do sleep 0.1; done'])).status, 0);
  });

  tests('listens again after the machine was saved and restored', async () => {
    const saved = join(folder, 'saved');
    assert.equal((await vitrine.run(['snapshot', 'create', 'agent', saved])).status, 0);
    const restored = await vitrine.startNamed('again', ['--snapshot', saved]);
    try {
      const { status, stdout, stderr } = await vitrine.run(['exec', '--wait', '300', 'again', '--', 'echo', 'here']);
      assert.deepEqual([status, stdout.toString()], [0, 'here\n'], stderr);
    } finally {
      restored.kill();
    }
  });
});
