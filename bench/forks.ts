// Measures what forks cost in memory: `npm run bench:forks`. Starts the default guest, forks it, lets the copies idle, and
// adds up the pages that are theirs alone, beside those of a machine whose guest stops at its first instruction. Ends with
// status 1 where a fork has more than that, what its guest has touched, and an allowance.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseSize } from '../src/cli/values.ts';
import { multibootKernel } from '../test/guests/multiboot.ts';
import { scriptOptions } from '../test/script-options.ts';
import { median } from './median.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/vitrine', import.meta.url));
const PROMPT = /:\/root# /;
const MEBIBYTE = 1 << 20;
/** How long the first machine may take that is not measured. */
const FIRST_MILLIS = 8000;
/** What a fork may have beside an empty machine and the pages that its guest has touched. */
const ALLOWANCE_BYTES = 20 * MEBIBYTE;
const STOPPED_KERNEL = multibootKernel('  cli\n  hlt');

const USAGE = {
  command: 'npm run bench:forks',
  about: 'what memory forks of a machine cost',
  example: '--forks 3 --idle 5',
};
const OPTIONS = {
  memory: { value: 'SIZE', about: 'of each machine', default: '256M' },
  forks: { value: 'N', about: 'how many', default: '10' },
  snapshot: {
    value: 'FILE',
    about: 'to go on from, in place of a boot: the default guest at its prompt, with that memory',
  },
  idle: { value: 'SECONDS', about: 'for which they run before they are looked at', default: '10' },
};
const values = scriptOptions(USAGE, OPTIONS);

const folder = mkdtempSync(join(tmpdir(), 'vitrine-forks-'));
const env = { ...process.env, XDG_RUNTIME_DIR: folder };

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [LAUNCHER, ...args], { env, stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Has a command of ours done. @throws {Error} it fails */
function command(...args: string[]): string {
  const { status, stdout } = spawnSync(process.execPath, [LAUNCHER, ...args], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`vitrine ${args.join(' ')} ended with ${status}`);
  return stdout;
}

async function untilSaid(machine: ChildProcess, wanted: RegExp): Promise<void> {
  let text = '';
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  machine.stdout?.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    if (wanted.test(text)) resolve();
  });
  machine.once('exit', () => reject(new Error(`the machine has ended: ${text}`)));
  await promise;
}

/** Bytes of pages that a process shares with no other. */
function privateBytes(pid: number): number {
  return privateIn(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
}

/** Those of them that are in mappings which could hold the guest's memory: there is one. */
function touchedBytes(pid: number, memoryBytes: number): number {
  const mappings = readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[\da-f]+-[\da-f]+ )/m);
  const large = mappings.filter((text) => {
    const [, from, to] = /^([\da-f]+)-([\da-f]+) rw-/.exec(text) ?? [];
    return from !== undefined && Number(`0x${to}`) - Number(`0x${from}`) >= memoryBytes;
  });
  return large.reduce((sum, text) => sum + privateIn(text), 0);
}

function privateIn(text: string): number {
  return [...text.matchAll(/^Private_\w+:\s+(\d+) kB/gm)].reduce(
    (sum, [, kilobytes]) => sum + Number(kilobytes) * 1024,
    0,
  );
}

function pidOf(name: string): number {
  return JSON.parse(command('info', '--json', name)).pid;
}

const mebibytes = (bytes: number) => `${(bytes / MEBIBYTE).toFixed(0)} MiB`;

/** What a machine costs whose guest does nothing and has touched nothing. */
async function emptyBytes(memory: string, idleMillis: number): Promise<number> {
  const kernel = join(folder, 'kernel');
  writeFileSync(kernel, STOPPED_KERNEL);
  const machine = start(['run', '--kernel', kernel, '--memory', memory, '--name', 'empty']);
  await sleep(idleMillis);
  const bytes = privateBytes(pidOf('empty'));
  await end('empty', machine);
  return bytes;
}

async function end(name: string, machine: ChildProcess): Promise<void> {
  command('stop', '--force', name);
  if (machine.exitCode === null) await once(machine, 'exit');
}

/** The machine that is copied, at its prompt. */
async function startOriginal(): Promise<ChildProcess> {
  const what = values.snapshot === undefined ? ['--memory', values.memory] : ['--snapshot', values.snapshot];
  const machine = start(['run', '--name', 'original', ...what]);
  machine.stdin?.write('\n');
  await untilSaid(machine, PROMPT);
  return machine;
}

async function main(): Promise<void> {
  const idleMillis = Number(values.idle) * 1000;
  const original = await startOriginal();
  const names = Array.from({ length: Number(values.forks) }, (_, n) => `copy${n}`);
  try {
    // The first starts keep our modules without their types, as the package has them: what strips them stays in memory.
    command('fork', 'original', 'first');
    command('stop', '--force', 'first');
    await emptyBytes(values.memory, FIRST_MILLIS);
    const empty = await emptyBytes(values.memory, idleMillis);
    command('fork', 'original', ...names);
    await sleep(idleMillis);
    tell(names.map(pidOf), empty, values.memory);
  } finally {
    for (const name of names)
      spawnSync(process.execPath, [LAUNCHER, 'stop', '--force', name], { env, stdio: 'ignore' });
    original.kill('SIGKILL');
  }
}

function tell(pids: readonly number[], empty: number, memory: string): void {
  const bytes = pids.map(privateBytes);
  const touched = pids.map((pid) => touchedBytes(pid, parseSize('--memory', memory)));
  const beside = bytes.map((own, n) => own - (touched[n] ?? 0) - empty);
  console.log(`an empty machine of ${memory}: ${mebibytes(empty)}`);
  console.log(`a fork: ${mebibytes(median(bytes))} (${bytes.map(mebibytes).join(', ')})`);
  console.log(`of that in its guest's memory: ${mebibytes(median(touched))}`);
  console.log(`${bytes.length} forks together: ${mebibytes(bytes.reduce((sum, one) => sum + one, 0))}`);
  const most = Math.max(...beside);
  console.log(`at most ${mebibytes(most)} beside that and an empty machine`);
  if (most > ALLOWANCE_BYTES) process.exitCode = 1;
}

await main().finally(() => rmSync(folder, { recursive: true }));
