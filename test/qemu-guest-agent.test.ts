// Debian's qemu-guest-agent in a guest, which has no agent of ours.
import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { keepsStreamsApart, makeAgentGuest, VitrineProgram } from './guests/agent-guest.ts';

const PACKAGES = [
  ...['qemu-guest-agent', 'libglib2.0-0', 'libpcre2-8-0', 'libnuma1', 'libudev1', 'liburing2', 'libffi8', 'libgcc-s1'],
];
const FILE_BYTES = 3 << 20;
const DISK_BYTES = 8 << 20;
const LISTEN = `
name=$(grep -l org.qemu.guest_agent.0 /sys/class/virtio-ports/*/name)
port=\${name%/name}
qemu-ga -m virtio-serial -p /dev/\${port##*/} -t /run`;
const SCRIPT = `
mkdir -p /run /sbin; printf '#!/bin/sh\\npoweroff -f\\n' > /sbin/shutdown; chmod +x /sbin/shutdown
mkdir /mnt; mount -t ext4 /dev/vda /mnt && cat /proc/mounts > /etc/mtab
ip link set lo up`;

describe("QEMU's guest agent", { timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-qga-'));
  const vitrine = new VitrineProgram(folder);
  let machine: ChildProcess | undefined;
  let reason: string | undefined;

  const tests = (name: string, body: () => Promise<void>) =>
    it(name, (t) => (reason === undefined ? body() : t.skip(reason)));
  const exec = (words: readonly string[], input?: Uint8Array) => vitrine.run(['exec', 'qga', '--', ...words], input);

  /** What the agent returns to a command. */
  async function ask(...words: readonly string[]): Promise<unknown> {
    const { status, stdout, stderr } = await vitrine.run(['agent', 'qga', ...words]);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout.toString());
  }

  before(async () => {
    const disk = join(folder, 'disk.raw');
    writeFileSync(disk, new Uint8Array(DISK_BYTES));
    if (spawnSync('mke2fs', ['-q', '-t', 'ext4', disk]).status !== 0) {
      reason = 'mke2fs is absent';
      return;
    }
    const options = {
      modules: ['virtio_blk', 'crc32c_generic', 'ext4'],
      packages: PACKAGES,
      script: SCRIPT,
      agent: LISTEN,
    };
    const boot = await makeAgentGuest(folder, options).catch((error: Error) => {
      reason = error.message;
    });
    if (!boot) return;
    const words = ['--memory', '256M', '--net', 'none', '--disk', `${disk},format=raw,bus=virtio`];
    machine = await vitrine.startNamed('qga', [...boot, ...words]);
  });
  after(() => {
    machine?.kill();
    rmSync(folder, { recursive: true });
  });

  tests('is waited for, and tells what it knows', async () => {
    const early = await vitrine.run(['agent', 'qga', 'guest-ping']);
    assert.deepEqual([early.status, early.stderr], [1, 'vitrine: "qga": the guest has no agent that runs\n']);
    assert.deepEqual(await ask('--wait', '300', 'guest-ping'), {});
    assert.match(((await ask('guest-info')) as { version: string }).version, /^\d+\.\d+/);
    const interfaces = (await ask('guest-network-get-interfaces')) as { name: string }[];
    assert.deepEqual(
      interfaces.map(({ name }) => name),
      ['lo'],
    );
    const wrong = await vitrine.run(['agent', 'qga', 'guest-nothing']);
    assert.deepEqual(
      [wrong.status, wrong.stderr],
      [1, 'vitrine: "qga": The command guest-nothing has not been found\n'],
    );
  });

  tests('runs commands for exec, with streams and status apart', async () => {
    await keepsStreamsApart(exec);
    const both = await Promise.all(['1', '2', '3'].map((word) => exec(['sh', '-c', `sleep 0.3; echo ${word}`])));
    assert.deepEqual(
      both.map(({ stdout }) => stdout.toString()),
      ['1\n', '2\n', '3\n'],
    );
    assert.equal((await exec(['sh', '-c', 'ls /tmp'])).stdout.toString().split('\n').length, 2);
  });

  tests('copies files for cp', async () => {
    const [file, back] = [join(folder, 'file'), join(folder, 'back')];
    const data = randomBytes(FILE_BYTES);
    writeFileSync(file, data);
    assert.equal((await vitrine.run(['cp', file, 'qga:/tmp'])).status, 0);
    const { stdout } = await exec(['sha256sum', '/tmp/file']);
    assert.equal(stdout.toString().split(' ')[0], createHash('sha256').update(data).digest('hex'));
    assert.equal((await vitrine.run(['cp', 'qga:/tmp/file', back])).status, 0);
    assert.ok(readFileSync(back).equals(data));
  });

  tests('freezes file systems and lets them go', async () => {
    assert.equal(await ask('guest-fsfreeze-freeze'), 1);
    assert.equal(await ask('guest-fsfreeze-status'), 'frozen');
    assert.equal(await ask('guest-fsfreeze-thaw'), 1);
    assert.equal(await ask('guest-fsfreeze-status'), 'thawed');
  });

  tests('answers after the machine was saved and restored, and shuts it down', async () => {
    const saved = join(folder, 'saved');
    assert.equal((await vitrine.run(['snapshot', 'create', 'qga', saved])).status, 0);
    machine?.kill();
    await once(machine as ChildProcess, 'exit');
    machine = await vitrine.startNamed('qga', ['--snapshot', saved]);
    assert.deepEqual(await ask('--wait', '60', 'guest-ping'), {});
    const ended = once(machine, 'exit');
    await ask('guest-shutdown');
    assert.deepEqual(await ended, [0, null]);
  });
});
