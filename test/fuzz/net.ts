import { SplitMix64 } from '../../src/base/random.ts';
import { collectGarbage } from '../../src/host/node/idle-collection.ts';
import { ManualClock } from '../../src/machine/manual-clock.ts';
import { BROADCAST_MAC, ETHERTYPE, putEthernetHeader } from '../../src/net/ethernet.ts';
import type { HostStream, NetHost, StreamListener } from '../../src/net/interfaces.ts';
import { headerBytesOf, type IpPath, IpWriter, PROTOCOL } from '../../src/net/ip.ts';
import type { OpenServedFile } from '../../src/net/served-files.ts';
import { FLAG, putTcpChecksum, putTcpHeader, tcpHeaderBytes } from '../../src/net/tcp/segment.ts';
import { GUEST_MAC, ip, NETWORK_MAC } from '../../src/net/test-network.case.ts';
import { makeUdp } from '../../src/net/udp.ts';
import { UserNetwork } from '../../src/net/user-network.ts';
import { scriptOptions } from '../script-options.ts';

/** Frames that are sent in one go. */
const FRAMES_A_BATCH = 1000;

/** What a run has done. */
export interface FuzzReport {
  readonly frames: number;
  readonly answers: number;
  readonly streams: number;
}

/** A host whose every part does at random what hosts do. */
class WildHost implements NetHost {
  readonly #random: () => number;
  readonly listeners: { readonly listener: StreamListener; flows: boolean }[] = [];
  streams = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  connect(_to: unknown, listener: StreamListener): HostStream {
    this.streams++;
    if (this.listeners.length >= 256) this.listeners.shift();
    const entry = { listener, flows: true };
    this.listeners.push(entry);
    const queuedBytes = this.#random() % 4 === 0 ? 1 << 22 : 0;
    const setFlowing = (flows: boolean) => {
      entry.flows = flows;
    };
    return { queuedBytes, write: () => {}, end: () => {}, reset: () => {}, setFlowing };
  }

  openDatagrams() {
    return { send: () => {}, close: () => {} };
  }

  async lookUp() {
    return [ip('192.0.2.1'), ip('2001:db8::1')];
  }

  async queryDns(message: Uint8Array) {
    return message;
  }

  /** Something happens outside. */
  act(): void {
    const entry = this.listeners[this.#random() % Math.max(1, this.listeners.length)];
    const listener = entry?.listener;
    switch (this.#random() % 6) {
      case 0:
        listener?.failed('reset');
        break;
      case 1:
        if (entry?.flows) listener?.data(new Uint8Array(this.#random() % 70_000));
        break;
      case 2:
        listener?.ended();
        break;
      case 3:
        listener?.drained();
        break;
      default:
        listener?.opened();
    }
  }
}

const V4 = { source: ip('10.0.2.15'), target: ip('10.0.2.2') };
const V6 = { source: ip('fec0::15'), target: ip('fec0::2') };
const OUTSIDE = { source: ip('10.0.2.15'), target: ip('192.0.2.1') };
const NAMES = { source: ip('10.0.2.15'), target: ip('10.0.2.3') };
const BOOT = { source: ip('10.0.2.15'), target: ip('10.0.2.4') };
const REQUEST = new TextEncoder().encode('GET /a HTTP/1.1\r\nHost: a\r\nRange: bytes=1-\r\n\r\n');

/** Files of any size, some of which are shorter than they say, or not there. */
function wildFiles(random: () => number): OpenServedFile {
  return async () => {
    if (random() % 4 === 0) return undefined;
    const sizeBytes = random() % 600_000;
    const read = async (_at: number, length: number) => new Uint8Array(random() % 8 ? length : length >> 1);
    return { sizeBytes, read, close() {} };
  };
}

/** Frames as guests send them, from which mangled ones are made. */
function wellFormed(): Uint8Array[] {
  const writer = new IpWriter();
  const all = (path: IpPath, protocol: number, payload: Uint8Array) =>
    writer.frames(path, protocol, payload).map((frame) => addressed(frame, path));
  const udp = (path: IpPath, port: number, data: Uint8Array) =>
    all(path, PROTOCOL.udp, makeUdp(path, 5000, port, data));
  const dhcp = new Uint8Array(300);
  dhcp.set([1, 1, 6, 0]);
  dhcp.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 50, 4, 10, 0, 2, 15, 255], 236);
  const dns = Uint8Array.of(1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 3, 99, 111, 109, 0, 0, 1, 0, 1);
  const arp = new Uint8Array(42);
  putEthernetHeader(arp, BROADCAST_MAC, GUEST_MAC, ETHERTYPE.arp);
  arp.set([0, 1, 8, 0, 6, 4, 0, 1, ...GUEST_MAC, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2], 14);
  const solicitation = Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0, ...V6.target, 1, 1, ...GUEST_MAC);
  return [
    arp,
    ...all(V4, PROTOCOL.icmp, Uint8Array.of(8, 0, 0xf7, 0xff, 0, 0, 0, 0)),
    ...all(V4, PROTOCOL.icmp, new Uint8Array(4000)),
    ...all(V6, PROTOCOL.icmpv6, solicitation),
    ...all(V6, PROTOCOL.udp, new Uint8Array(3000)),
    ...udp(V4, 67, dhcp),
    ...udp(NAMES, 53, dns),
    ...udp(OUTSIDE, 9, new Uint8Array(50)),
    ...udp(BOOT, 69, Uint8Array.of(0, 1, 97, 0, 111, 99, 116, 101, 116, 0)),
    ...[FLAG.syn, FLAG.ack, FLAG.ack | FLAG.fin, FLAG.rst].flatMap((flags) =>
      [V4, V6, NAMES, BOOT].map((path) => tcp(writer, path, flags)),
    ),
    tcp(writer, BOOT, FLAG.ack, REQUEST),
  ];
}

function tcp(writer: IpWriter, path: IpPath, flags: number, data: Uint8Array = new Uint8Array(20)): Uint8Array {
  const options = flags & FLAG.syn ? { mss: 1460, windowShift: 7, sackPermitted: true } : {};
  const sacks = flags & FLAG.syn ? undefined : [{ start: 500, end: 900 }];
  const ports = { sourcePort: 4000, targetPort: path === NAMES ? 53 : 80 };
  const header = { ...ports, sequence: 100, acknowledgment: 200, flags, window: 1000, ...options, sacks };
  const frame = writer.frame(path, PROTOCOL.tcp, tcpHeaderBytes(header) + data.length);
  putTcpHeader(frame, headerBytesOf(path), header);
  frame.set(data, headerBytesOf(path) + tcpHeaderBytes(header));
  putTcpChecksum(frame, headerBytesOf(path), path, false);
  return addressed(frame, path);
}

function addressed(frame: Uint8Array, { source }: IpPath): Uint8Array {
  putEthernetHeader(frame, NETWORK_MAC, GUEST_MAC, source.length === 4 ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6);
  return frame;
}

/**
 * Sends mangled frames to a network until the time is over, or as many as wanted, and lets its host do anything meanwhile.
 * @throws whatever the network throws, which it must not
 */
export async function fuzzNetwork(
  seed: bigint,
  until: () => boolean,
  most = Number.POSITIVE_INFINITY,
): Promise<FuzzReport> {
  const source = new SplitMix64(seed);
  const random = () => Number(source.next() & 0x3fffffffn);
  const clock = new ManualClock();
  const host = new WildHost(random);
  const network = new UserNetwork({ host, clock, seed, boot: { openFile: wildFiles(random), fileName: 'a' } });
  const seeds = wellFormed();
  let [frames, answers] = [0, 0];
  let acknowledgment = 0;
  network.port.onFrame((frame) => {
    answers++;
    if (frame.length >= 46) acknowledgment = new DataView(frame.buffer, frame.byteOffset).getUint32(38);
    return random() % 16 !== 0;
  });
  while (frames < most && !until()) {
    for (let batch = 0; batch < FRAMES_A_BATCH; batch++) {
      const frame = mangle(seeds[random() % seeds.length], random, acknowledgment);
      const offload = random() % 4 ? { checksumStart: 34, checksumAt: 50, segmentBytes: 0 } : undefined;
      network.port.send(frame, offload);
      if (random() % 8 === 0) host.act();
      if (random() % 4 === 0) clock.advanceTo(clock.nowNanos() + BigInt(random() % 100_000_000));
    }
    frames += FRAMES_A_BATCH;
    await Promise.resolve();
  }
  network.close();
  return { frames, answers, streams: host.streams };
}

/** A frame with a few things wrong; its IP header is mostly made right again, so that more of it is looked at. */
function mangle(seed: Uint8Array, random: () => number, acknowledgment: number): Uint8Array {
  const length = random() % 8 === 0 ? random() % (seed.length + 40) : seed.length;
  const frame = new Uint8Array(length);
  frame.set(seed.subarray(0, length));
  for (let changes = random() % 5; changes > 0 && length > 0; changes--) {
    const at = random() % (random() % 4 ? Math.min(length, 80) : length);
    frame[at] = random() % 3 ? random() : frame[at] ^ (1 << (random() % 8));
  }
  if (frame[12] !== 8 || frame[13] !== 0 || length < 54) return frame;
  if (frame[23] === PROTOCOL.tcp && random() % 2) new DataView(frame.buffer).setUint32(42, acknowledgment + 1);
  if (random() % 16) repairHeader(frame);
  return frame;
}

function repairHeader(frame: Uint8Array): void {
  frame.set([0, 0], 24);
  const end = Math.min(frame.length, 14 + (frame[14] & 15) * 4);
  let sum = 0;
  for (let at = 14; at + 1 < end; at += 2) sum += (frame[at] << 8) | frame[at + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.set([(~sum >> 8) & 0xff, ~sum & 0xff], 24);
}

/** Frames between looks at memory, the first of which finds a network that is as busy as it will be. */
const FRAMES_A_LOOK = 1_000_000;
/** By how much memory may differ from the first look on. */
const MAX_GROWTH_BYTES = 16 << 20;

/** How many bytes are held when all garbage is collected. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function main(): Promise<void> {
  const values = scriptOptions(
    { command: 'npm run fuzz:net', about: 'sends mangled frames to the network', example: '--frames 100000 --seed 7' },
    {
      seconds: { value: 'N', about: 'how long; 60 where no number of frames is given' },
      frames: { value: 'N', about: 'how many frames' },
      seed: { value: 'N', about: 'which frames', default: '1' },
    } as const,
  );
  const { frames, seconds = frames === undefined ? '60' : 'Infinity' } = values;
  const end = performance.now() + Number(seconds) * 1000;
  const held: number[] = [];
  let sent = 0;
  const isOver = () => {
    if (sent > 0 && sent % FRAMES_A_LOOK === 0) held.push(heldBytes());
    sent += FRAMES_A_BATCH;
    return performance.now() > end;
  };
  const report = await fuzzNetwork(BigInt(values.seed), isOver, Number(frames ?? 'Infinity'));
  console.log(`${report.frames} frames, ${report.answers} answers, ${report.streams} streams: nothing escaped`);
  if (held.length === 0) return;
  console.log(
    `held after each ${FRAMES_A_LOOK} frames: ${held.map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(', ')} MiB`,
  );
  if (held.every((bytes) => bytes <= held[0] + MAX_GROWTH_BYTES)) return;
  console.log('memory leaks');
  process.exitCode = 1;
}

if (import.meta.main) await main();
