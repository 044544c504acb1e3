import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { concatenate } from '../../src/base/bytes.ts';
import { AGENT_PROGRAM } from '../../src/cli/image/guest-agent.ts';
import { projectRoot } from '../source-files.ts';
import { debianKernel } from './debian.ts';
import { makeDebianRoot, packRoot } from './debian-root.ts';
import { debianModules, LOAD_MODULES } from './modules.ts';

const KERNEL = 'linux-image-amd64';
const PACKAGES = ['busybox-static', 'libc6', 'libcrypt1', 'perl-base'];
const program = join(projectRoot, 'bin/vitrine');

/** What a guest has besides Perl, BusyBox and the agent. */
export interface AgentGuestOptions {
  /** Drivers besides the console's. */
  readonly modules?: readonly string[];
  /** Perl programs by their paths. */
  readonly programs?: Readonly<Record<string, string>>;
  /** What is done before the agent starts. */
  readonly script?: string;
  /** Packages besides Perl, BusyBox and what they need. */
  readonly packages?: readonly string[];
  /** What runs in place of our agent. */
  readonly agent?: string;
}

const init = (script: string, agent: string) => `#!/bin/busybox sh
export PATH=/usr/sbin:/sbin:/usr/bin:/bin HOME=/root
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev; mount -t tmpfs tmpfs /tmp
${LOAD_MODULES}
${script}
while :; do ${agent}; sleep 0.2; done
`;

/** Makes a kernel and an initial file system with the agent in a folder.
 * @returns the options that start it  @throws {Error} the packages cannot be had */
export async function makeAgentGuest(folder: string, options: AgentGuestOptions = {}): Promise<string[]> {
  const { modules = [], programs = {}, script = '', packages = [], agent = '/agent /dev/vport*' } = options;
  const root = join(folder, 'root');
  mkdirSync(root, { recursive: true });
  await makeDebianRoot('amd64', [...PACKAGES, ...packages], root);
  for (const [path, text] of Object.entries({ '/agent': AGENT_PROGRAM, ...programs })) {
    writeFileSync(join(root, path), text);
  }
  const drivers = await debianModules('amd64', KERNEL, ['virtio_pci', 'virtio_console', ...modules]);
  const [kernel, initrd] = [join(folder, 'kernel'), join(folder, 'initrd')];
  writeFileSync(kernel, await debianKernel('amd64', KERNEL));
  writeFileSync(initrd, concatenate([await packRoot(root, init(script, agent)), drivers]));
  return ['--kernel', kernel, '--initrd', initrd, '--append', 'quiet no_timer_check console=ttyS0'];
}

/** The command line, for machines whose sockets are in a folder of their own. */
export class VitrineProgram {
  readonly env: NodeJS.ProcessEnv;

  /** @param runtimeFolder where the sockets are */
  constructor(runtimeFolder: string) {
    this.env = { ...process.env, XDG_RUNTIME_DIR: runtimeFolder };
  }

  /** Starts it and goes on; its messages are the test's. */
  start(args: readonly string[]): ChildProcess {
    return spawn(process.execPath, [program, ...args], { env: this.env, stdio: ['pipe', 'ignore', 'inherit'] });
  }

  /** Runs it to its end. */
  async run(args: readonly string[], input: Uint8Array = new Uint8Array(0)): Promise<Outcome> {
    const child = spawn(process.execPath, [program, ...args], { env: this.env });
    child.stdin.on('error', () => {}); // it ends without reading everything
    child.stdin.end(input);
    const [stdout, stderr, [status]] = await Promise.all([
      buffer(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { status, stdout, stderr };
  }

  /** Runs a shell's command in the guest of a machine, once its agent listens. @returns its output */
  async guestSays(name: string, script: string): Promise<string> {
    const { status, stdout, stderr } = await this.run(['exec', '-n', '--wait', '600', name, '--', 'sh', '-c', script]);
    assert.equal(status, 0, stderr);
    return stdout.toString();
  }

  /** Starts a machine with a name, which has its sockets then. @throws {Error} it ends before */
  async startNamed(name: string, args: readonly string[]): Promise<ChildProcess> {
    const machine = this.start(['run', '--name', name, ...args]);
    while ((await this.run(['info', name])).status !== 0) {
      if (machine.exitCode !== null) throw new Error(`${name} has ended with ${machine.exitCode}`);
    }
    return machine;
  }
}

/** What a run of the command line came to. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** What every agent has to do with commands. @param exec runs one in the guest */
export async function keepsStreamsApart(
  exec: (words: readonly string[], input?: Uint8Array) => Promise<Outcome>,
): Promise<void> {
  const words = ['sh', '-c', 'cat; echo "$1" >&2; exit 7', 'sh', "it's $x"];
  const { status, stdout, stderr } = await exec(words, Buffer.from('in'));
  assert.deepEqual([status, stdout.toString(), stderr], [7, 'in', "it's $x\n"]);
  assert.equal((await exec(['sh', '-c', 'kill -TERM $$'])).status, 143);
  assert.equal((await exec(['no-such-program'])).status, 127);
}
