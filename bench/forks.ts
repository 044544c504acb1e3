// Measures what forks cost in memory: `npm run bench:forks`. Starts the default guest, forks it, lets the copies idle, and
// adds up the pages that are theirs alone, beside those of a machine whose guest stops at its first instruction.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { multibootKernel } from '../test/guests/multiboot.ts';
import { scriptOptions } from '../test/script-options.ts';
import { median } from './median.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/vitrine', import.meta.url));
const PROMPT = /:\/root# /;
const MEBIBYTE = 1 << 20;
const STOPPED_KERNEL = multibootKernel('  cli\n  hlt');

const USAGE = {
  command: 'npm run bench:forks',
  about: 'what memory forks of a machine cost',
  example: '--forks 3 --idle 5',
};
const OPTIONS = {
  memory: { value: 'SIZE', about: 'of each machine', default: '256M' },
  forks: { value: 'N', about: 'how many', default: '10' },
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
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
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
  command('stop', '--force', 'empty');
  if (machine.exitCode === null) await once(machine, 'exit');
  return bytes;
}

async function main(): Promise<void> {
  const idleMillis = Number(values.idle) * 1000;
  const empty = await emptyBytes(values.memory, idleMillis);
  const original = start(['run', '--name', 'original', '--memory', values.memory]);
  await untilSaid(original, PROMPT);
  const names = Array.from({ length: Number(values.forks) }, (_, n) => `copy${n}`);
  try {
    command('fork', 'original', ...names);
    await sleep(idleMillis);
    const bytes = names.map((name) => privateBytes(pidOf(name)));
    console.log(`an empty machine of ${values.memory}: ${mebibytes(empty)}`);
    console.log(`a fork: ${mebibytes(median(bytes))} (${bytes.map(mebibytes).join(', ')})`);
    console.log(`${bytes.length} forks together: ${mebibytes(bytes.reduce((sum, one) => sum + one, 0))}`);
  } finally {
    for (const name of names) command('stop', '--force', name);
    original.kill('SIGKILL');
  }
}

await main().finally(() => rmSync(folder, { recursive: true }));
