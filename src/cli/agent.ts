import type { Socket } from 'node:net';
import { AGENT_CHANNEL } from '../vm/agent/frames.ts';
import { QEMU_AGENT_CHANNEL, QemuAgentRelay } from '../vm/agent/qemu-relay.ts';
import { type AgentClient, type AgentLine, AgentRelay } from '../vm/agent/relay.ts';
import type { ByteChannel, PcChannel } from '../vm/index.ts';
import type { SnapshotFile } from '../vm/snapshot/reader.ts';
import { configurationIn } from '../vm/snapshot/saved-machine.ts';

/** What the sockets end with that lead to guests' agents. */
export const AGENT_SUFFIX = '.agent';

/** As {@link AGENT_SUFFIX}, for QEMU's guest agent. */
export const QEMU_AGENT_SUFFIX = '.qga';

/** The outside end of a channel to an agent, which clients share. */
interface Relay extends ByteChannel {
  connect(client: AgentClient): AgentLine;
}

/** The channels to agents in the guest: ours and QEMU's. */
const KINDS: readonly { readonly channel: string; readonly suffix: string; readonly make: () => Relay }[] = [
  { channel: AGENT_CHANNEL, suffix: AGENT_SUFFIX, make: () => new AgentRelay(random) },
  { channel: QEMU_AGENT_CHANNEL, suffix: QEMU_AGENT_SUFFIX, make: () => new QemuAgentRelay(random) },
];

/** Channels to agents in the guest. */
export interface AgentChannels {
  readonly channels: readonly PcChannel[];
  /** What is reached by a socket with this ending. */
  readonly relays: readonly (readonly [suffix: string, relay: Relay])[];
}

/** Makes the channels of a machine that has some: a named one, and one that goes on from a snapshot with them. */
export function makeAgentChannels(name: string | undefined, snapshot?: SnapshotFile): AgentChannels | undefined {
  const saved = snapshot && (configurationIn(snapshot).channels ?? []);
  const kinds = KINDS.filter(({ channel }) => (saved ? saved.includes(channel) : name !== undefined));
  if (kinds.length === 0) return undefined;
  const made = kinds.map(({ channel, suffix, make }) => ({ channel, suffix, relay: make() }));
  return {
    channels: made.map(({ channel, relay }) => ({ name: channel, outside: relay })),
    relays: made.map(({ suffix, relay }) => [suffix, relay]),
  };
}

function random(bytes: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(bytes));
}

/** Lets one who has connected to a machine's socket ask the agent. */
export function serveAgent(socket: Socket, relay: Relay): void {
  const line = relay.connect({
    get untakenBytes() {
      return socket.writableLength;
    },
    send: (bytes) => void socket.write(bytes),
    close: () => socket.end(),
  });
  socket.on('data', (bytes: Uint8Array) => line.receive(bytes));
  socket.on('close', () => line.close());
}
