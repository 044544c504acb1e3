/** The types of IR values; the same five that WebAssembly has. Narrower guest values are kept zero-extended in an i32. */
export type Type = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** How many bits a type has. */
export const BITS: Readonly<Record<Type, number>> = { i32: 32, i64: 64, f32: 32, f64: 64, v128: 128 };

/** What a table has for a type. V8 searches for a property whose name is computed; it knows where each of these lies. */
export function byType<T>(table: Readonly<Record<Type, T>>, type: Type): T {
  switch (type) {
    case 'i32':
      return table.i32;
    case 'i64':
      return table.i64;
    case 'f32':
      return table.f32;
    case 'f64':
      return table.f64;
    case 'v128':
      return table.v128;
  }
}

/** `value` reduced to the bit pattern of `type`, as a non-negative BigInt. */
export function bitsOf(type: Type, value: bigint): bigint {
  return BigInt.asUintN(BITS[type], value);
}
