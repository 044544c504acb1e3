import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { FILE_TYPE } from '../src/base/cpio.ts';
import { type Architecture, debianBusybox, debianKernel } from './guests/debian.ts';
import { packInitramfs } from './guests/initramfs.ts';
import { projectRoot } from './source-files.ts';

/** Debian's kernels: metapackage and what `uname -m` says. */
const KERNELS: readonly [Architecture, string, string][] = [
  ['amd64', 'linux-image-cloud-amd64', 'x86_64'],
  ['amd64', 'linux-image-amd64', 'x86_64'],
  ['i386', 'linux-image-686', 'i686'],
  ['i386', 'linux-image-686-pae', 'i686'],
];
const BOOT_SECONDS = 400;
const WORKLOAD = join(projectRoot, '../shared/bench/bench.c');
const WORKLOAD_SCALE = '0.02';

interface Run {
  readonly status: number | null;
  readonly output: string;
}

/** Runs the command line with bytes on standard input, as a script would. */
function vitrine(args: readonly string[], input: string): Promise<Run> {
  const child = spawn(process.execPath, [join(projectRoot, 'bin/vitrine'), 'run', ...args]);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  child.stdin.end(input);
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, output })));
}

/** The machine's part of a command line that boots `kernel` with `initrd`. */
function bootArguments(kernel: string, initrd: string, memory: string): string[] {
  const limits = ['--no-reboot', '--timeout', String(BOOT_SECONDS)];
  const files = ['--kernel', kernel, '--initrd', initrd, '--append', 'console=ttyS0 quiet'];
  return [...files, '--memory', memory, '--serial', 'stdio', ...limits];
}

/** What `promise` gives, or undefined after the test was skipped for the reason that it failed with. */
async function orSkip<T>(t: TestContext, promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    t.skip(`no such guest here: ${(error as Error).message.split('\n')[0]}`);
    return undefined;
  }
}

describe('Debian Linux', { timeout: 4 * BOOT_SECONDS * 1000 }, () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vitrine-linux-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function write(name: string, bytes: Uint8Array): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  }

  for (const [architecture, metapackage, machine] of KERNELS) {
    it(`${metapackage} boots to a shell, runs what is typed and powers off with status 0`, async (t) => {
      const parts = await orSkip(
        t,
        Promise.all([debianKernel(architecture, metapackage), debianBusybox(architecture)]),
      );
      if (parts === undefined) return;
      const kernel = await write(metapackage, parts[0]);
      const initrd = await write(`${metapackage}.cpio`, packInitramfs(parts[1]));
      const run = await vitrine(bootArguments(kernel, initrd, '512M'), 'uname -m\nexpr 6 \\* 7\npoweroff -f\n');
      assert.equal(run.status, 0, run.output.slice(-2000));
      assert.match(run.output, new RegExp(`^${machine}\r?$`, 'm'));
      assert.match(run.output, /^42\r?$/m);
    });
  }

  for (const [architecture, flags] of [
    ['amd64', []],
    ['i386', ['-m32', '-msse2', '-mfpmath=sse']],
  ] as const) {
    it(`the shared workload, ${architecture}, has the checksums that it has on the host`, async (t) => {
      if (!existsSync(WORKLOAD)) return t.skip('the workload is not beside this checkout');
      const program = join(folder, `bench-${architecture}`);
      const build = ['-O2', '-static', ...flags, '-o', program, WORKLOAD, '-lm'];
      const parts = await orSkip(
        t,
        Promise.all([
          debianKernel(architecture, architecture === 'amd64' ? 'linux-image-cloud-amd64' : 'linux-image-686-pae'),
          debianBusybox(architecture),
          promisify(execFile)('gcc', build),
        ]),
      );
      if (parts === undefined) return;
      const { stdout } = await promisify(execFile)(program, [WORKLOAD_SCALE]);
      const script = `/bench ${WORKLOAD_SCALE}\npoweroff -f`;
      const bench = { path: 'bench', mode: FILE_TYPE.file | 0o755, data: await readFile(program) };
      const kernel = await write(`kernel-${architecture}`, parts[0]);
      const initrd = await write(`bench-${architecture}.cpio`, packInitramfs(parts[1], script, [bench]));
      const run = await vitrine(bootArguments(kernel, initrd, '512M'), '');
      assert.equal(run.status, 0, run.output.slice(-2000));
      assert.deepEqual(checksums(run.output), checksums(stdout));
    });
  }
});

/** Row and checksum of each kernel of the workload; two of them depend on process ids. */
function checksums(output: string): string[] {
  return [...output.matchAll(/BENCH (\w+) \S+ sum (\w+)/g)]
    .filter(([, row]) => row !== 'syscall' && row !== 'fork')
    .map(([, row, sum]) => `${row} ${sum}`);
}
