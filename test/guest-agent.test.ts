import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { concatenate } from '../src/base/bytes.ts';
import { AGENT_PROGRAM } from '../src/cli/image/guest-agent.ts';
import { debianKernel } from './guests/debian.ts';
import { makeDebianRoot, packRoot } from './guests/debian-root.ts';
import { debianModules, LOAD_MODULES } from './guests/modules.ts';
import { projectRoot } from './source-files.ts';

const KERNEL = 'linux-image-amd64';
const PACKAGES = ['busybox-static', 'libc6', 'libcrypt1', 'perl-base'];
const MIB = 1 << 20;
/** How much goes through. */
const BYTES = Number(process.env.VITRINE_AGENT_MIB ?? 8) * MIB;

const INIT = `#!/bin/busybox sh
export PATH=/usr/bin:/bin HOME=/root
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev; mount -t tmpfs tmpfs /tmp
${LOAD_MODULES}
while :; do /agent /dev/vport*; sleep 0.2; done
`;

/** A kernel and an initial file system with the agent. @throws {Error} the packages cannot be had */
async function makeGuest(folder: string): Promise<{ kernel: string; initrd: string }> {
  const root = join(folder, 'root');
  await makeDebianRoot('amd64', PACKAGES, root);
  writeFileSync(join(root, 'agent'), AGENT_PROGRAM);
  const modules = await debianModules('amd64', KERNEL, ['virtio_pci', 'virtio_console']);
  const [kernel, initrd] = [join(folder, 'kernel'), join(folder, 'initrd')];
  writeFileSync(kernel, await debianKernel('amd64', KERNEL));
  writeFileSync(initrd, concatenate([await packRoot(root, INIT), modules]));
  return { kernel, initrd };
}

describe("a machine's agent", { timeout: 1_200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-exec-'));
  const program = join(projectRoot, 'bin/vitrine');
  const env = { ...process.env, XDG_RUNTIME_DIR: folder };
  let machine: ChildProcess | undefined;
  let reason: string | undefined;

  function vitrine(args: readonly string[], input?: Uint8Array) {
    const options = { env, input, maxBuffer: 2 ** 30 };
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], options);
    return { status, stdout, stderr: stderr.toString() };
  }
  const exec = (words: readonly string[], input?: Uint8Array) => vitrine(['exec', 'agent', '--', ...words], input);
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  const tests = (name: string, body: () => void) => it(name, (t) => (reason === undefined ? body() : t.skip(reason)));

  before(async () => {
    try {
      const { kernel, initrd } = await makeGuest(folder);
      const boot = ['--kernel', kernel, '--initrd', initrd, '--append', 'quiet no_timer_check console=ttyS0'];
      const args = ['run', ...boot, '--memory', `${256 + Math.ceil(BYTES / MIB)}M`, '--name', 'agent', '--net', 'none'];
      machine = spawn(process.execPath, [program, ...args], { env, stdio: ['pipe', 'ignore', 'inherit'] });
      while (vitrine(['info', 'agent']).status !== 0) assert.equal(machine.exitCode, null);
    } catch (error) {
      reason = (error as Error).message;
    }
  });
  after(() => {
    machine?.kill();
    rmSync(folder, { recursive: true });
  });

  tests('is missed in one line before it runs, and waited for when that is asked', () => {
    const early = exec(['true']);
    assert.deepEqual([early.status, early.stderr], [1, 'vitrine: "agent": the guest has no agent that runs\n']);
    const { status, stdout, stderr } = vitrine(
      ['exec', '--wait', '600', 'agent', '--', 'uname', '-s'],
      new Uint8Array(0),
    );
    assert.deepEqual([status, stdout.toString()], [0, 'Linux\n'], stderr);
  });

  tests('runs commands with output, messages and status apart', () => {
    const { status, stdout, stderr } = exec(
      ['sh', '-c', 'cat; echo "$1" >&2; exit 7', 'sh', "it's $x"],
      Buffer.from('in'),
    );
    assert.deepEqual([status, stdout.toString(), stderr], [7, 'in', "it's $x\n"]);
    assert.equal(exec(['sh', '-c', 'kill -TERM $$']).status, 143);
    assert.equal(exec(['no-such-program']).status, 127);
  });

  tests('streams output without loss', () => {
    const script = `head -c ${BYTES} /dev/urandom > /tmp/data; sha256sum < /tmp/data >&2; cat /tmp/data; rm /tmp/data`;
    const { status, stdout, stderr } = exec(['sh', '-c', script]);
    assert.deepEqual([status, stdout.length], [0, BYTES]);
    assert.equal(stderr.split(' ')[0], sha256(stdout));
  });

  tests('copies files both ways', () => {
    const [file, back] = [join(folder, 'file'), join(folder, 'back')];
    const data = randomBytes(BYTES);
    writeFileSync(file, data, { mode: 0o750 });
    const there = vitrine(['cp', file, 'agent:/tmp']);
    assert.deepEqual([there.status, there.stderr], [0, '']);
    assert.match(
      exec(['sh', '-c', 'stat -c %a /tmp/file; sha256sum /tmp/file']).stdout.toString(),
      new RegExp(`^750\n${sha256(data)}`),
    );
    const andBack = vitrine(['cp', 'agent:/tmp/file', back]);
    assert.deepEqual([andBack.status, andBack.stderr], [0, '']);
    assert.equal(sha256(readFileSync(back)), sha256(data));
    const missing = vitrine(['cp', 'agent:/nowhere', join(folder, 'none')]);
    assert.deepEqual([missing.status, missing.stderr.trim().split('\n').length], [1, 1]);
    assert.throws(() => statSync(join(folder, 'none')));
  });

  tests('hangs up what nobody waits for any more', () => {
    const args = [program, 'exec', 'agent', '--', 'sh', '-c', 'echo $$ > /tmp/pid; while :; do sleep 1; done'];
    const client = spawn(process.execPath, args, { env, stdio: 'ignore' });
    assert.equal(exec(['sh', '-c', 'while ! [ -s /tmp/pid ]; do sleep 0.1; done']).status, 0);
    client.kill('SIGKILL');
    assert.equal(exec(['sh', '-c', 'while [ -d /proc/$(cat /tmp/pid) ]; do sleep 0.1; done']).status, 0);
  });

  tests('listens again after the machine was saved and restored', () => {
    const saved = join(folder, 'saved');
    assert.equal(vitrine(['snapshot', 'create', 'agent', saved]).status, 0);
    const restored = spawn(process.execPath, [program, 'run', '--snapshot', saved, '--name', 'again'], {
      env,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    try {
      while (vitrine(['info', 'again']).status !== 0) assert.equal(restored.exitCode, null);
      const { status, stdout, stderr } = vitrine(['exec', '--wait', '300', 'again', '--', 'echo', 'here']);
      assert.deepEqual([status, stdout.toString()], [0, 'here\n'], stderr);
    } finally {
      restored.kill();
    }
  });
});
