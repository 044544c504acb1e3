/** The types of IR values; the same five that WebAssembly has. Narrower guest values are kept zero-extended in an i32. */
export type Type = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** How many bits a type has. */
export const BITS: Readonly<Record<Type, number>> = { i32: 32, i64: 64, f32: 32, f64: 64, v128: 128 };

/** `value` reduced to the bit pattern of `type`, as a non-negative BigInt. */
export function bitsOf(type: Type, value: bigint): bigint {
  return BigInt.asUintN(BITS[type], value);
}
