import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { multibootKernel } from './guests/multiboot.ts';
import { ECHO_SOURCE } from './snapshots/echo-guest.ts';
import { projectRoot } from './source-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'vitrine-named-'));
const program = join(projectRoot, 'bin/vitrine');
const env = { ...process.env, XDG_RUNTIME_DIR: folder };
const kernel = join(folder, 'kernel');
const saved = join(folder, 'saved');
writeFileSync(kernel, multibootKernel(ECHO_SOURCE));

after(() => rmSync(folder, { recursive: true }));

function vitrine(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

function succeed(...args: string[]): string {
  const { status, stdout, stderr } = vitrine(...args);
  assert.equal(status, 0, stderr);
  return stdout;
}

function start(...args: string[]): ChildProcess {
  const stdio: ('pipe' | 'inherit')[] = ['pipe', 'pipe', 'inherit'];
  return spawn(process.execPath, [program, 'run', ...args], { env, stdio });
}

/** Types on a machine's line and waits for as many characters. */
async function ask(machine: ChildProcess, text: string, length: number): Promise<string> {
  let answer = '';
  const { promise, resolve } = Promise.withResolvers<void>();
  machine.stdout?.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
    if (answer.length >= length) resolve();
  });
  machine.stdin?.write(text);
  await promise;
  return answer;
}

const names = () => (JSON.parse(succeed('ls', '--json')) as { name: string }[]).map(({ name }) => name).sort();

describe('named machines', () => {
  it('are saved, restored and forked while they run', async () => {
    const first = start('--kernel', kernel, '--name', 'first', '--memory', '16M', '--clock', 'virtual');
    assert.equal(await ask(first, 'ab', 4), '0a1b');
    assert.equal(statSync(join(folder, 'vitrine')).mode & 0o777, 0o700);
    assert.deepEqual(names(), ['first']);
    const again = vitrine('run', '--kernel', kernel, '--name', 'first');
    assert.deepEqual([again.status, again.stderr.trim().split('\n').length], [1, 1]);
    assert.match(again.stderr, /--name: found "first", the name of a machine that runs already/);

    succeed('snapshot', 'create', 'first', saved);
    assert.equal(JSON.parse(succeed('snapshot', 'info', '--json', saved)).memoryBytes, 16 << 20);
    const refused = vitrine('snapshot', 'create', '--compress', 'lzma', 'first', join(folder, 'none'));
    assert.match(refused.stderr, /--compress: found "lzma", expected deflate or zstd/);
    succeed('snapshot', 'create', '--compress', 'deflate', 'first', join(folder, 'deflated'));
    assert.equal(readFileSync(join(folder, 'deflated')).readUInt32LE(12), 1, 'the method of RFC 1951');
    const second = start('--snapshot', saved);
    assert.equal(await ask(second, 'c', 2), '2c');
    second.kill();
    assert.equal(await ask(first, 'd', 2), '2d');

    const viewer = spawn(process.execPath, [program, 'console', 'first'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    assert.equal(await ask(viewer, 'e', 2), '3e');
    viewer.kill();

    assert.equal(succeed('fork', 'first', 'one', 'two'), 'one\ntwo\n');
    assert.deepEqual(names(), ['first', 'one', 'two']);
    for (const name of ['one', 'two']) succeed('stop', '--force', name);
    first.kill('SIGKILL');
    await sleep(10);
    const gone = vitrine('info', 'first');
    assert.equal(gone.status, 4);
    assert.match(gone.stderr, /no machine of the name "first" runs; the socket .* is left from one that died/);
    assert.deepEqual(names(), []);
  });

  it('are waited for before they run, when that is asked', async () => {
    const began = performance.now();
    assert.equal(vitrine('exec', 'late', 'true').status, 4);
    assert.equal(vitrine('exec', '--wait', '0.3', 'late', 'true').status, 4);
    assert.ok(performance.now() - began >= 300);
    const waiting = spawn(process.execPath, [program, 'exec', '--wait', '60', 'late', 'true'], {
      env,
      stdio: 'ignore',
    });
    const ended = once(waiting, 'exit');
    const gone = once(start('--kernel', kernel, '--name', 'late', '--memory', '16M'), 'exit');
    while (vitrine('info', 'late').status !== 0) await sleep(10);
    assert.equal(waiting.exitCode, null, 'it has no agent, but goes on waiting for one');
    succeed('stop', '--force', 'late');
    assert.equal((await ended)[0], 4);
    await gone;
  });

  it('are not restored from what is no snapshot, which stays as it is', () => {
    const whole = readFileSync(saved);
    const cases: readonly (readonly [bytes: Uint8Array, found: RegExp])[] = [
      [Buffer.from('#!/bin/sh\n'), /not a saved machine/],
      [whole.subarray(0, whole.length - 100), /cut off/],
      [Buffer.from(whole).fill(0x5a, whole.length - 300, whole.length - 200), /damaged/],
    ];
    for (const [bytes, found] of cases) {
      const file = join(folder, 'wrong');
      writeFileSync(file, bytes);
      const { status, stderr } = vitrine('run', '--snapshot', file);
      assert.deepEqual([status, stderr.trim().split('\n').length], [1, 1], stderr);
      assert.match(stderr, found);
      assert.deepEqual(readFileSync(file), Buffer.from(bytes));
    }
    assert.equal(vitrine('run', '--snapshot', join(folder, 'absent')).status, 4);
    assert.match(
      vitrine('run', '--snapshot', saved, '--kernel', kernel).stderr,
      /--kernel: found it beside --snapshot/,
    );
    assert.equal(existsSync(join(folder, 'vitrine', 'wrong')), false);
  });
});
