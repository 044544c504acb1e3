import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RejoiningPort } from '../src/cli/rejoining-port.ts';
import { joinRemoteSwitch, serveSwitch } from '../src/cli/remote-switch.ts';
import { joinSwitch as joinLocally } from '../src/cli/switch-member.ts';
import { cardOf, GET_LEASE, makeNetworkGuest, type NetworkGuest } from './guests/network-guest.ts';

const MEMORY_BYTES = 128 << 20;
const FILE_BYTES = 4 << 20;

/** The first member, which has the switch, serves a file to the second. */
const SERVER = `
${GET_LEASE}
mkdir /www; head -c ${FILE_BYTES} /dev/urandom > /www/file
echo "file: $(sha256sum < /www/file)"
httpd -p 80 -h /www
echo "serving: $(ip -4 -o addr show dev eth0)"
read finished
`;
const client = (server: string) => `
${GET_LEASE}
echo "address: $(ip -4 -o addr show dev eth0)"
echo "ping: $(ping -c 3 -i 0.1 ${server} | grep transmitted)"
echo "fetched: $(wget -q -O - http://${server}/file | sha256sum)"
read finished
`;

describe('two Linux guests on one switch', { timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-switch-'));
  const path = join(folder, 'switch');
  const members: RejoiningPort[] = [];
  let stop = () => {};
  const guests: NetworkGuest[] = [];
  let reason: string | undefined;

  async function joinSwitch(script: string, member: RejoiningPort): Promise<NetworkGuest> {
    members.push(member);
    const card = cardOf('virtio', () => member);
    card.mac[5] += members.length;
    const guest = await makeNetworkGuest(script, [card], MEMORY_BYTES);
    guests.push(guest);
    return guest;
  }

  before(async () => {
    try {
      await joinSwitch(SERVER, await joinLocally(path));
    } catch (error) {
      reason = (error as Error).message;
    }
  });
  after(async () => {
    for (const guest of guests) guest.serial.type('\n');
    await Promise.all(guests.map(({ vm }) => vm.run()));
    for (const member of members) member.close();
    stop();
    rmSync(folder, { recursive: true });
  });

  it('get addresses of their own, ping each other and move files, though one joined by WebSocket', async (t) => {
    if (reason !== undefined) return t.skip(reason);
    const [server] = guests;
    const [, first] = await server.sees(/^serving: .*inet (10\.0\.2\.\d+)\/24.*\r/m);
    const web = await serveSwitch(path, {}, {});
    stop = () => web.close();
    const guest = await joinSwitch(client(first), await joinRemoteSwitch(web.url.replace('http', 'ws')));
    const [, second] = await guest.sees(/^address: .*inet (10\.0\.2\.\d+)\/24.*\r/m);
    assert.notEqual(second, first);
    const [, ping] = await guest.sees(/^ping: (.*)\r/m);
    assert.match(ping, /3 packets transmitted, 3 packets received/);
    const [, sent] = await server.sees(/^file: (\w+)/m);
    const [, fetched] = await guest.sees(/^fetched: (\w+)/m);
    assert.equal(fetched, sent);
  });
});
