import { toHex } from '../base/hex.ts';

/** The address of the first card; QEMU's, so that guests made there find theirs. */
export const FIRST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56] as const;
/** Bytes at the beginning that are the same in all addresses that are made up. */
const PREFIX_BYTES = 3;

/** An address for a card that others are on a network with. */
export function randomMac(): Uint8Array {
  const mac = Uint8Array.from(FIRST_MAC);
  crypto.getRandomValues(mac.subarray(PREFIX_BYTES));
  return mac;
}

/** An address as it is typed. */
export function formatMac(mac: Uint8Array): string {
  return toHex(mac, ':');
}
