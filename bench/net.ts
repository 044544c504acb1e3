// Measures how fast a guest's TCP is through the user-mode network, under Vitrine and under QEMU TCG: `npm run bench:net`.
// iperf3 runs in the guest, and on the host as its own server. Both take turns with the machine for the processors, so
// the machine's processor time a gigabyte is said too.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { concatenate } from '../src/base/bytes.ts';
import { debianKernel } from '../test/guests/debian.ts';
import { makeDebianRoot, packRoot } from '../test/guests/debian-root.ts';
import { freePort } from '../test/guests/free-port.ts';
import { debianModules, LOAD_MODULES } from '../test/guests/modules.ts';
import { GET_LEASE } from '../test/guests/network-guest.ts';
import { scriptOptions } from '../test/script-options.ts';
import { processorSeconds } from './processor-time.ts';

const KERNEL = 'linux-image-amd64';
const PACKAGES = ['busybox-static', 'iperf3', 'libiperf0', 'libc6', 'libsctp1', 'libssl3'];
const LAUNCHER = fileURLToPath(new URL('../bin/vitrine', import.meta.url));
/** Cards by Vitrine's word, with QEMU's and the driver. */
const CARDS: Readonly<Record<string, { readonly qemu: string; readonly module: string }>> = {
  virtio: { qemu: 'virtio-net-pci', module: 'virtio_net' },
  e1000: { qemu: 'e1000', module: 'e1000' },
  rtl8139: { qemu: 'rtl8139', module: '8139too' },
  ne2k: { qemu: 'ne2k_pci', module: 'ne2k_pci' },
};
const DIRECTIONS: readonly (readonly [name: string, option: string])[] = [
  ['guest to host', ''],
  ['host to guest', '-R'],
];

const init = (port: number, seconds: number) => `#!/bin/busybox sh
export PATH=/usr/bin:/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev; mount -t tmpfs tmpfs /tmp
${LOAD_MODULES}
${GET_LEASE}
iperf3 -c 10.0.2.2 -p ${port} -t 2 > /dev/null
${DIRECTIONS.map(([name, option]) => `echo "BEGIN ${name}"; iperf3 -c 10.0.2.2 -p ${port} -t ${seconds} -f m ${option}; echo "END ${name}"`).join('\n')}
poweroff -f
`;

const MACHINES: Readonly<Record<string, (kernel: string, initrd: string, card: string) => [string, string[]]>> = {
  vitrine: (kernel, initrd, card) => {
    const system = ['--kernel', kernel, '--initrd', initrd, '--append', 'console=ttyS0 quiet net.ifnames=0'];
    return [process.execPath, [LAUNCHER, 'run', '--memory', '512M', '--net', `user,model=${card}`, ...system]];
  },
  qemu: (kernel, initrd, card) => {
    const system = ['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet net.ifnames=0'];
    const net = ['-netdev', 'user,id=n', '-device', `${CARDS[card]?.qemu},netdev=n`];
    const machine = ['-accel', 'tcg', '-machine', 'pc', '-m', '512M', '-nodefaults', '-no-user-config', ...net];
    return ['qemu-system-x86_64', [...machine, '-display', 'none', '-serial', 'stdio', '-no-reboot', ...system]];
  },
};

/** The host's side, from the same package. */
function serve(root: string, port: number): ChildProcess {
  const library = join(root, 'usr/lib/x86_64-linux-gnu');
  const env = { ...process.env, LD_LIBRARY_PATH: library };
  return spawn(join(root, 'usr/bin/iperf3'), ['-s', '-B', '127.0.0.1', '-p', `${port}`], { env, stdio: 'ignore' });
}

/** Runs a machine and prints what it reaches. */
async function measure(name: string, [program, args]: [string, string[]], timeoutMillis: number): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMillis);
  let [rest, began] = ['', 0];
  for await (const bytes of child.stdout) {
    const lines = (rest + (bytes as Buffer).toString('latin1')).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const rate = /([\d.]+) Mbits\/sec.*receiver/.exec(line)?.[1];
      const [, amount, unit] = /([\d.]+) ([MG])Bytes.*receiver/.exec(line) ?? [];
      if (line.startsWith('BEGIN')) began = processorSeconds(child.pid ?? 0);
      if (rate === undefined) continue;
      const used = processorSeconds(child.pid ?? 0) - began;
      const cost = (used / (Number(amount) / (unit === 'G' ? 1 : 1000))).toFixed(1);
      console.log(`${name}: ${rate} Mbit/s, ${cost} processor seconds a gigabyte, load ${loadavg()[0]?.toFixed(1)}`);
    }
  }
  clearTimeout(timer);
}

const USAGE = {
  command: 'npm run bench:net',
  about: "how fast a guest's TCP is through the user-mode network",
  example: '--cards virtio,e1000 --machines vitrine --seconds 3',
};
const OPTIONS = {
  machines: { value: 'LIST', about: 'what runs the guest', default: Object.keys(MACHINES).join() },
  cards: { value: 'LIST', about: `of ${Object.keys(CARDS).join()}`, default: 'virtio' },
  seconds: { value: 'N', about: 'for each direction', default: '10' },
  timeout: { value: 'SECONDS', about: 'for each guest', default: '300' },
};

async function main(): Promise<void> {
  const values = scriptOptions(USAGE, OPTIONS);
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-net-bench-'));
  const root = join(folder, 'root');
  await makeDebianRoot('amd64', PACKAGES, root);
  const port = await freePort();
  const server = serve(root, port);
  try {
    const [kernel, initrd] = [join(folder, 'kernel'), join(folder, 'initrd')];
    writeFileSync(kernel, await debianKernel('amd64', KERNEL));
    for (const card of values.cards.split(',')) {
      const modules = await debianModules('amd64', KERNEL, ['virtio_pci', CARDS[card]?.module ?? card, 'af_packet']);
      writeFileSync(initrd, concatenate([await packRoot(root, init(port, Number(values.seconds))), modules]));
      for (const machine of values.machines.split(',')) {
        const command = MACHINES[machine]?.(kernel, initrd, card);
        if (command) await measure(`${card}, ${machine}`, command, Number(values.timeout) * 1000);
        await sleep(500);
      }
    }
  } finally {
    server.kill();
    rmSync(folder, { recursive: true });
  }
}

await main();
