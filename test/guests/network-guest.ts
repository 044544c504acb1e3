import type { NicModel, PcNetwork } from '../../src/boards/cards.ts';
import { nodeTime } from '../../src/host/node/time.ts';
import { Vm } from '../../src/vm/vm.ts';
import { TestSerial } from './machine.ts';
import { moduleBoot } from './module-boot.ts';
import { LOAD_MODULES } from './modules.ts';

const MODULES = ['virtio_pci', 'virtio_net', 'e1000', '8139too', 'ne2k_pci', 'ipv6', 'af_packet'];

/** What udhcpc does with a lease, as BusyBox's own example does. */
export const LEASE_SCRIPT = `
cat > /bin/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip -4 addr flush dev $interface
ip addr add $ip/$mask dev $interface
[ -z "$router" ] || ip route add default via $router dev $interface
: > /etc/resolv.conf
for server in $dns; do echo nameserver $server >> /etc/resolv.conf; done
echo "lease: $ip $mask $router $dns $lease $mtu"
END
chmod +x /bin/lease
mkdir -p /etc; ip link set lo up
`;

/** Brings card eth0 up with a lease. */
export const GET_LEASE = `${LEASE_SCRIPT}
ip link set eth0 up
udhcpc -i eth0 -s /bin/lease -n -q -f -t 10 -O mtu
`;

/** A Debian kernel with BusyBox and the drivers of all cards, on the host's clock. */
export interface NetworkGuest {
  readonly vm: Vm;
  readonly serial: TestSerial;
  /** Resolves when the guest has written something that matches. @throws {Error} it ends before */
  sees(pattern: RegExp): Promise<RegExpMatchArray>;
}

/** Makes a guest that runs a script and then powers off.
 * @throws {Error} its packages cannot be had */
export async function makeNetworkGuest(
  script: string,
  networks: readonly PcNetwork[],
  memoryBytes: number = 256 << 20,
): Promise<NetworkGuest> {
  const boot = await moduleBoot(MODULES, `${LOAD_MODULES}\n${script}\npoweroff -f`);
  const serial = new TestSerial();
  const vm = await Vm.create({
    memoryBytes,
    ...boot,
    commandLine: 'console=ttyS0 quiet net.ifnames=0 no_timer_check panic=-1',
    clock: 'host',
    seed: 1n,
    noReboot: true,
    serial: [serial],
    networks,
    host: nodeTime,
  });
  let isOver = false;
  void vm.run().then(() => (isOver = true));
  return { vm, serial, sees: (pattern) => seen(serial, pattern, () => isOver) };
}

const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/** A card with the first address. */
export function cardOf(model: NicModel, port: PcNetwork['port']): PcNetwork {
  return { model, mac: Uint8Array.from(MAC), port };
}

async function seen(serial: TestSerial, pattern: RegExp, isOver: () => boolean): Promise<RegExpMatchArray> {
  for (;;) {
    const isLast = isOver();
    const match = pattern.exec(serial.output);
    if (match) return match;
    if (isLast) throw new Error(`the guest has ended without ${pattern}:\n${serial.output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
