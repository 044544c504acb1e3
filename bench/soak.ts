/**
 * Keeps a guest busy with a mixed load and watches the memory of its process: `npm run soak -- --minutes 60`. Ends with
 * status 1 where more than the guest's memory and the allowance is resident, or where it grows in the second half.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { NODE_ENVIRONMENT, START_V8_FLAGS } from '../bin/v8-flags.js';
import { packCpio } from '../src/base/cpio.ts';
import { entriesBelow } from '../test/guests/debian-root.ts';
import { scriptOptions } from '../test/script-options.ts';
import { findKernel } from './kernels.ts';
import { median } from './median.ts';
import { makeProgramRoot } from './programs/root.ts';

const MIB = 2 ** 20;
const PROGRAM = fileURLToPath(new URL('../bin/vitrine', import.meta.url));
/** What may be resident beside the guest's memory. */
const ALLOWANCE_BYTES = 250 * MIB;
/** Growth from the middle of the run to its end that is taken for noise. */
const NOISE_BYTES = 10 * MIB;
const SAMPLE_SECONDS = 10;
const LOAD = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs devtmpfs /dev
n=0
while true; do
  for row in tcc python-objects processes gzip python-words sqlite3 openssl shell-loop python-regex; do
    echo "SOAK $n $row"
    /rows/$row 200
  done
  n=$((n+1))
done
`;

const values = scriptOptions(
  { command: 'npm run soak', about: 'watches the memory of a machine under mixed load', example: '--minutes 5' },
  {
    minutes: { value: 'N', about: 'how long', default: '60' },
    memory: { value: 'MIB', about: 'of the guest', default: '512' },
  },
);

/** A sample of the process. */
interface Sample {
  readonly minutes: number;
  readonly residentBytes: number;
}

/** @returns what `vitrine run` is told */
async function makeGuest(folder: string): Promise<string[]> {
  const root = join(folder, 'root');
  await makeProgramRoot('amd64', root);
  writeFileSync(join(root, 'init'), LOAD, { mode: 0o755 });
  const initrd = join(folder, 'initrd');
  writeFileSync(initrd, packCpio(await entriesBelow(root)));
  const kernel = await findKernel(64, undefined, folder);
  return ['--kernel', kernel.path, '--initrd', initrd, '--append', 'console=ttyS0 quiet', '--no-reboot'];
}

/** The command line as a Node runs it that the launcher has started. */
function startVitrine(args: readonly string[]): ChildProcess {
  const env = { ...NODE_ENVIRONMENT, ...process.env };
  return spawn(process.execPath, [...START_V8_FLAGS, PROGRAM, 'run', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
}

function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

/** Runs the guest for some minutes. @returns samples of its process, and how many programs the guest began */
async function runLoad(guest: readonly string[], minutes: number): Promise<{ samples: Sample[]; programs: number }> {
  const child = startVitrine(guest);
  const ended = once(child, 'exit');
  const samples: Sample[] = [];
  let programs = 0;
  createInterface({ input: child.stdout as Readable }).on('line', (line) => {
    if (line.startsWith('SOAK ')) programs++;
  });
  const from = performance.now();
  const timer = setInterval(() => {
    const sample = { minutes: (performance.now() - from) / 60_000, residentBytes: residentBytes(child.pid ?? 0) };
    samples.push(sample);
    const resident = (sample.residentBytes / MIB).toFixed(0);
    console.log(`${sample.minutes.toFixed(1)} minutes: ${resident} MiB resident, ${programs} programs`);
    if (sample.minutes >= minutes) child.kill('SIGKILL');
  }, SAMPLE_SECONDS * 1000);
  await ended;
  clearInterval(timer);
  return { samples, programs };
}

/** The median of what was resident in a part of the run; quarters are counted from 0. */
function residentIn(samples: readonly Sample[], minutes: number, quarter: number): number {
  const [from, to] = [quarter, quarter + 1].map((n) => (n * minutes) / 4);
  return median(samples.filter((s) => s.minutes >= from && s.minutes < to).map((s) => s.residentBytes));
}

const folder = mkdtempSync(join(tmpdir(), 'vitrine-soak-'));
try {
  const [minutes, memoryBytes] = [Number(values.minutes), Number(values.memory) * MIB];
  const guest = [...(await makeGuest(folder)), '--memory', `${values.memory}M`];
  // The first start keeps our modules without their types, as the package has them: what strips them stays in memory.
  const first = startVitrine([...guest, '--timeout', '1']);
  first.stdout?.resume();
  await once(first, 'exit');
  const { samples, programs } = await runLoad(guest, minutes);
  const most = Math.max(...samples.map((sample) => sample.residentBytes));
  const [middle, end] = [residentIn(samples, minutes, 2), residentIn(samples, minutes, 3)];
  const beside = most - memoryBytes;
  console.log(`${programs} programs; at most ${(beside / MIB).toFixed(0)} MiB beside the guest's memory`);
  console.log(`third quarter ${(middle / MIB).toFixed(0)} MiB, fourth ${(end / MIB).toFixed(0)} MiB`);
  const lasted = samples.some((sample) => sample.minutes >= minutes);
  const passed = lasted && beside <= ALLOWANCE_BYTES && end - middle <= NOISE_BYTES;
  console.log(passed ? 'passed' : 'FAILED');
  process.exitCode = passed ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
