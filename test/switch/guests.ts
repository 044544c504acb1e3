// Guests in processes of their own on one switch: `npm run guests:switch`.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { concatenate } from '../../src/base/bytes.ts';
import { VitrineProgram } from '../guests/agent-guest.ts';
import { debianFile, debianKernel } from '../guests/debian.ts';
import { makeDebianRoot, packRoot } from '../guests/debian-root.ts';
import { debianModules, LOAD_MODULES } from '../guests/modules.ts';

const KERNEL = 'linux-image-amd64';
const PACKAGES = [
  ...['busybox-static', 'libc6', 'libcrypt1', 'zlib1g', 'libtomcrypt1', 'libtommath1', 'libgmp10', 'dropbear-bin'],
  ...['dnsmasq-base', 'libdbus-1-3', 'libsystemd0', 'libcap2', 'libgcrypt20', 'libgpg-error0', 'liblz4-1', 'liblzma5'],
  ...[
    'libzstd1',
    'libhogweed6',
    'libnettle8',
    'libidn2-0',
    'libunistring2',
    'libnetfilter-conntrack3',
    'libnfnetlink0',
  ],
  ...[
    'libmnl0',
    'libnftables1',
    'libnftnl11',
    'libxtables12',
    'libjansson4',
    'libedit2',
    'libbsd0',
    'libmd0',
    'libtinfo6',
  ],
];
const FILE_BYTES = 1 << 20;
const PATIENCE_MILLIS = 300_000;

/** A guest does what the word `role=` of its command line says. Its first card is on the VLAN of those without a tag. dnsmasq has no console:
 * it writes of addresses that come while it starts, such as IPv6's, to its standard input. */
const INIT = `#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/bin HOME=/root
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev; mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts /var/log /var/run /var/lib/misc; mount -t devpts devpts /dev/pts
${LOAD_MODULES}
for word in $(cat /proc/cmdline); do case $word in role=*) role=\${word#role=};; self=*) self=\${word#self=};; esac; done
ip link set lo up
ip link set eth0 up
[ -z "$self" ] || ip addr add $self dev eth0
case $role in
  server)
    ip link set eth1 up; ip addr add 192.168.77.1/24 dev eth1
    mkdir -p /srv; head -c ${FILE_BYTES} /dev/urandom > /srv/file
    echo "file: $(sha256sum < /srv/file)"
    httpd -p 80 -h /srv
    mkdir -p /etc/dropbear; dropbear -R -B -E
    mkdir /share; mount -t 9p -o trans=virtio,version=9p2000.L,ro boot /share
    dnsmasq --user=root --interface=eth1 --bind-interfaces --port=0 --dhcp-range=192.168.77.50,192.168.77.99 \\
      --dhcp-boot=script.ipxe --enable-tftp --tftp-root=/share --leasefile-ro < /dev/null
    echo "it serves";;
  client)
    echo "ping: $(ping -c 3 10.9.8.1 | grep -e transmitted -e round-trip | tr '\\n' ' ')"
    echo "fetched: $(wget -q -O - http://10.9.8.1/file | sha256sum)"
    echo "by ssh: $(head -c 100000 /bin/busybox | dbclient -y 10.9.8.1 'cat > /tmp/in; sha256sum < /tmp/in; uname -n')"
    echo "sent: $(head -c 100000 /bin/busybox | sha256sum)"
    echo "status: $(dbclient -y 10.9.8.1 'exit 7' < /dev/null; echo $?)";;
  booted)
    echo "it has booted from the network";;
esac
read finished
poweroff -f
`;

/** Kernel and initial file system. */
interface Boot {
  readonly kernel: string;
  readonly initrd: string;
}

async function makeBoot(folder: string): Promise<Boot> {
  const root = join(folder, 'root');
  mkdirSync(root, { recursive: true });
  await makeDebianRoot('amd64', PACKAGES, root);
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
  const drivers = ['virtio_pci', 'virtio_net', 'e1000', '8139too', 'ne2k_pci', 'af_packet', '9pnet_virtio', '9p'];
  const modules = await debianModules('amd64', KERNEL, drivers);
  const [kernel, initrd] = [join(folder, 'kernel'), join(folder, 'initrd')];
  writeFileSync(kernel, await debianKernel('amd64', KERNEL));
  writeFileSync(initrd, concatenate([await packRoot(root, INIT), modules]));
  return { kernel, initrd };
}

describe('guests on one switch', { timeout: 3_600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-guests-'));
  const boots = join(folder, 'boot');
  const vitrine = new VitrineProgram(folder);
  const elsewhere = new VitrineProgram(join(folder, 'elsewhere'));
  const machines: ChildProcess[] = [];
  let boot: Boot;
  let file = '';

  function start(program: VitrineProgram, name: string, args: readonly string[]): void {
    machines.push(program.start(['run', '--memory', '256M', '--serial', `file:${join(folder, name)}`, ...args]));
  }

  /** Waits until a guest has written something. */
  async function sees(name: string, pattern: RegExp): Promise<RegExpExecArray> {
    const end = Date.now() + PATIENCE_MILLIS;
    for (;;) {
      const output = readFileSync(join(folder, name), { encoding: 'latin1', flag: 'a+' });
      const match = pattern.exec(output);
      if (match) return match;
      if (Date.now() > end) throw new Error(`${name} has not said ${pattern}:\n${output}`);
      await setTimeout(100);
    }
  }

  function direct(role: string, self = ''): string[] {
    const words = `console=ttyS0 quiet net.ifnames=0 no_timer_check role=${role} self=${self}`;
    return ['--kernel', boot.kernel, '--initrd', boot.initrd, '--append', words];
  }

  before(async () => {
    boot = await makeBoot(folder);
    mkdirSync(boots);
    mkdirSync(join(folder, 'elsewhere'));
    const line = 'console=ttyS0 quiet no_timer_check role=booted';
    writeFileSync(join(boots, 'kernel'), readFileSync(boot.kernel));
    writeFileSync(join(boots, 'initrd'), readFileSync(boot.initrd));
    writeFileSync(join(boots, 'script.ipxe'), `#!ipxe\nkernel kernel ${line} initrd=initrd\ninitrd initrd\nboot\n`);
    mkdirSync(join(boots, 'pxelinux.cfg'));
    const menu = `serial 0\ndefault linux\nlabel linux\n kernel kernel\n append initrd=initrd ${line}\n`;
    writeFileSync(join(boots, 'pxelinux.cfg/default'), menu);
    for (const [name, packageName, pattern] of [
      ['pxelinux.0', 'pxelinux', './usr/lib/PXELINUX/pxelinux.0'],
      ['ldlinux.c32', 'syslinux-common', './usr/lib/syslinux/modules/bios/ldlinux.c32'],
      ['e1000.rom', 'ipxe-qemu', './usr/lib/ipxe/qemu/pxe-e1000.rom'],
    ] as const) {
      writeFileSync(join(boots, name), await debianFile({ architecture: 'amd64', package: packageName, pattern }));
    }
    const token = join(folder, 'token');
    writeFileSync(token, 'a-token-that-both-know\n');
    start(vitrine, 'server', [
      ...direct('server', '10.9.8.1/24'),
      ...['--net', `switch:lab,model=virtio,ws=28022,token=${token},tftp=${boots},bootfile=pxelinux.0`],
      ...['--net', 'switch:lab,model=virtio,vlan=10', '--share', `${boots}:boot:ro`],
    ]);
    file = (await sees('server', /^file: (\w+)/m))[1];
    await sees('server', /^it serves/m);
  });
  after(() => {
    for (const machine of machines) machine.kill();
    rmSync(folder, { recursive: true });
  });

  /** Pings, fetches a file and works by ssh. */
  async function works(name: string): Promise<string> {
    const [, ping] = await sees(name, /^ping: (.*)\r/m);
    assert.equal((await sees(name, /^fetched: (\w+)/m))[1], file);
    const [, bySsh] = await sees(name, /^by ssh: (\w+)/m);
    assert.equal((await sees(name, /^sent: (\w+)/m))[1], bySsh);
    assert.equal((await sees(name, /^status: (\d+)/m))[1], '7');
    return ping;
  }

  for (const model of ['virtio', 'e1000', 'rtl8139', 'ne2k']) {
    it(`in processes of their own ping, fetch and use ssh, ${model}`, async () => {
      start(vitrine, model, [...direct('client', '10.9.8.2/24'), '--net', `switch:lab,model=${model}`]);
      assert.match(await works(model), /3 packets received/);
      machines.pop()?.kill();
    });
  }

  it('do so on a cable that loses 1 % of the frames and delays all by 50 ms', async () => {
    start(vitrine, 'lossy', [...direct('client', '10.9.8.3/24'), '--net', 'switch:lab,model=virtio,loss=1%,delay=50']);
    const [, millis] = /min\/avg\/max = ([\d.]+)/.exec(await works('lossy')) ?? [];
    assert.ok(Number(millis) >= 100, `${millis} ms there and back`);
    machines.pop()?.kill();
  });

  it('do so when one joins by WebSocket', async () => {
    const net = `ws://127.0.0.1:28022,token=${join(folder, 'token')},model=virtio`;
    start(elsewhere, 'web', [...direct('client', '10.9.8.4/24'), '--net', net]);
    assert.match(await works('web'), /3 packets received/);
    machines.pop()?.kill();
  });

  const bootFrom = (name: string, net: string) =>
    start(vitrine, name, [
      '--boot',
      'net',
      '--option-rom',
      join(boots, 'e1000.rom'),
      '--net',
      net,
      '--firmware',
      'builtin',
    ]);

  it("boot from the switch's TFTP server by pxelinux", async () => {
    bootFrom('pxelinux', 'switch:lab');
    await sees('pxelinux', /^it has booted from the network/m);
    machines.pop()?.kill();
  });

  it('boot from another guest by iPXE, in a VLAN', async () => {
    bootFrom('ipxe', 'switch:lab,vlan=10');
    await sees('ipxe', /^it has booted from the network/m);
    machines.pop()?.kill();
  });
});
