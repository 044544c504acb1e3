import { encryptDes } from './des.ts';

const PASSWORD_BYTES = 8;
const BLOCK_BYTES = 8;

/** What the right password makes of a challenge (RFC 6143 section 7.2.2). Only its first eight characters count. @param challenge 16 bytes */
export function vncResponse(password: string, challenge: Uint8Array): Uint8Array {
  const key = new Uint8Array(PASSWORD_BYTES);
  key.set(new TextEncoder().encode(password).subarray(0, PASSWORD_BYTES));
  const mirrored = key.map(mirror);
  const response = new Uint8Array(challenge.length);
  for (let at = 0; at < challenge.length; at += BLOCK_BYTES) {
    response.set(encryptDes(mirrored, challenge.subarray(at, at + BLOCK_BYTES)), at);
  }
  return response;
}

/** VNC takes the bits of each byte of the password from the lowest on. */
function mirror(byte: number): number {
  let mirrored = 0;
  for (let bit = 0; bit < 8; bit++) mirrored |= ((byte >> bit) & 1) << (7 - bit);
  return mirrored;
}
