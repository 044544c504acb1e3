import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { AGENT_CHANNEL } from '../vm/agent/frames.ts';
import { AgentRelay } from '../vm/agent/relay.ts';
import type { PcChannel } from '../vm/index.ts';
import type { SnapshotFile } from '../vm/snapshot/reader.ts';
import { configurationIn } from '../vm/snapshot/saved-machine.ts';

/** What the sockets end with that lead to guests' agents. */
export const AGENT_SUFFIX = '.agent';

/** The channel to the guest's agent. */
export interface AgentChannel {
  readonly relay: AgentRelay;
  readonly channels: readonly PcChannel[];
}

/** Makes the channel of a machine that has one: a named one, and one that goes on from a snapshot with it. */
export function makeAgentChannel(name: string | undefined, snapshot?: SnapshotFile): AgentChannel | undefined {
  const hasChannel = snapshot ? configurationIn(snapshot).channels?.includes(AGENT_CHANNEL) : name !== undefined;
  if (!hasChannel) return undefined;
  const relay = new AgentRelay((bytes) => randomBytes(bytes));
  return { relay, channels: [{ name: AGENT_CHANNEL, outside: relay }] };
}

/** Lets one who has connected to a machine's socket ask the agent. */
export function serveAgent(socket: Socket, relay: AgentRelay): void {
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
