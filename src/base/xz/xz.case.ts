import { ByteWriter, concatenate } from '../bytes.ts';
import { crc32 } from '../checksums.ts';
import { SplitMix64 } from '../random.ts';

/** Bytes without a pattern. */
export function noise(length: number): Uint8Array {
  const random = new SplitMix64(1n);
  return Uint8Array.from({ length }, () => Number(random.next() & 0xffn));
}

/** Bytes of which many are the opcodes and the highest bytes of addresses that the x86 filter looks for. */
export function instructions(length: number): Uint8Array {
  const bytes = [0xe8, 0xe9, 0x00, 0xff, 0x00, 0xe8, 0x01, 0x90];
  return noise(length).map((byte) => bytes[byte & 7]);
}

/** Records of 16 bytes with fields that repeat at several distances. */
export function records(length: number): Uint8Array {
  const random = noise(length);
  return Uint8Array.from({ length }, (_, i) => {
    const [record, field] = [i >> 4, i & 15];
    if (field < 4) return (record * 5) >> (8 * field);
    if (field < 10) return 0x41 + field + (random[record] & 3);
    return field === 10 ? random[i] : record % 7;
  });
}

function base64(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll(/\s/g, '')), (character) => character.charCodeAt(0));
}

/** A file, and what is in it. */
export interface XzSample {
  /** The options of xz (XZ Utils 5.4.1) that it was made with. */
  readonly made: string;
  readonly plain: Uint8Array;
  readonly xz: Uint8Array;
}

export const SAMPLES = {
  records: {
    made: '--check=crc32 --lzma2=dict=4KiB,lc=1,lp=2,pb=1,nice=273',
    plain: records(3000),
    xz: base64(`
      /Td6WFoAAAFpIt42AgAhAQAAAAA3J5fW4Au3ArlAAABoj+aeXqTyr9ObaBTRlYrstM7kYDCmF+a3QkPf1Y46xgr9NUd5zCzl/zNDMLN5cO8j
      SbMEF58Gol+1eEqA46AhU9p7hoQwo9uTRWavEfg5Sb8s3vFBQrhsIi3PTLliL+hGW//L2LTVS8mUAgKno4ZjzMhrCeJSOacbyjb1SPDkPq4W
      PVqajhUD2yVlWcMMBBRSGJdXdMhAmoZC9Gzg5BLW8hvZGn2K+/NCHPLVp7nj+aWkiI2zIpq6dwC/1SyumExwihIxWDx79Ak/xxqq8wcPkllZ
      XgWH/6/fWJp2x7VXTC6bqh6CZe5t966yC4+umRBXwWVTtf8/szceHPeDdRw/tGkW48fyJvRYTxmIK9B2Oe0TKoAVefAYG63ad9Xndz++Wzw/
      LI2JZ49bW80itHy0gGr+xfrmX2k++v0neFeeo/BLk+2HqH/zcrNqe3q1jKg9nZwS/EpzYbecl5oZQRew79/pfRfWVNmz6D3m0YQDdTfWPFU8
      H9Km0j1X+zQIrc9MjmW05n9YKirRfD84c3cX9sNgmYKe8UnaRnpkwIHeYEL1EQZHn9Yau8YnrFW1aX1iRrfE3EkpSuY1I83UCUhDxOGbUwAa
      etqy+aaMOUQgrv2y0hUBrluEUhBXbKN8LwaMPW4eZ0FeRv99lYmUN3UChWqUz1RrRamlE/4HfRyuUl+ShvVK8BvWELC7yOAcBhYqufm7rYcP
      NYjDPAjbLirbGRu0epj9sNDKhFcZRLE0mzi5RiaJQpdkjhLT4bEk9r5gqbb7cU9cxBgZMestFXPH6aZqz8Vix3rEeoaj1e0GXIW6uzr1H1DD
      GV+EmtR1S3DbcvUApscipr+ZWXv2HbEH1+D33vuWgAkzoU8r7ciEe2ugCdgEBPHdPBI6yI1cw6vpCJ944cKMLjgAhuhgYBPz+i5YxxNu3LwA
      AAAA0Dn2KQAB0QW4FwAAp0d4Ez4wDYsCAAAAAAFZWg==`),
  },
  instructions: {
    made: '--check=crc64 --x86 --lzma2',
    plain: instructions(1000),
    xz: base64(`
      /Td6WFoAAATm1rRGAgEEACEBFgANhjUf4APnAopdAHSj/C/2/oOwi8vzJUTgffFsYOXWHWVQEUkm0fycl+CtnRpBow//OXGjWIv8CTkglIoh
      +14p9Vp+6tkH8U3GGKCME1LsV/D9+mjcv/YRWaZkbfuZDiSMSCq7wk3epXNGVbzYcM7Mr2dkUljciImOwlDHPELmJTkqJzoAjoA8fR41R63j
      WmKfqCslQCvbXzJwPrCMAltNsRTMut/dxaaDLwn0qmsmMElMa/WTJzWLDBlb6hj6iAdOjjdI/yrbuAZRybP3liwt/+YoFdm8Xi6FYNPeHpFG
      SrYUXU1EUy0W8rRQQrpnKXW2ubO7ZmAJUa5EAwCratSyBfhosgpU8PoDR+WDYpjcI5RZz4YAHipfZP1BgRjDq3izR87vP+32/efWoQl+0y9w
      CxelKAqMMpAqzT7zO9tbTbtsfc386GGCG6/g5SBQQM4Cu21R+XwC1i/FI7iaeZPHz4IuyS98Is38MOT0V8cyohXSfFNwjZps3qNEGxh22qqG
      wH00DFTHa58V3HvhIy0MzPtlCNrBTTq/g7+kjZc6ldDf9Ixt1tn77yOjeB0GPHuHPzwIcpyYFHwG5Kdifp5cEKRX7u916Bsh19qptKk4GcUi
      Bs/24AZ3PWAWC5EVb+crT/DJNBOk8INcs7dtVgn+9BdNk3k2KMuVLBMPS6oPJjTsC5LqdIJfDCrI8RPMtBwWKvIcUi0Y+x2Bg+6CfeFrQQ/q
      ftb+czXCfnop7MHCu6yc63dAh6huukbMisQ17QoNs0HMLNmZtD8lPRBggU9Q0VTaMt7S/s9LLPQxdSp2kIpMxhzmlF3iz7bWxRl7roPZwe4N
      qwn8t1CYC+u4t4hYwahLos/sQNk/xHexSGn4EVQrd/oAAAAAyjrB3fFKieUAAaYF6AcAAAzWdNKxxGf7AgAAAAAEWVo=`),
  },
  offset: {
    made: '--check=crc32 --x86=start=4096 --x86 --lzma2',
    plain: instructions(260),
    xz: base64(`
      /Td6WFoAAAFpIt42BAIEBAAQAAAEACEBFgAAAJ9uR+fgAQMAxV0AdKP8L/b+g7CLy/MlTAFDWnMnndi8SCa2f6SgBGVmmK/YJTEIxnG1lNKd
      khsmBMjuLa5qcbKVWph3X1BWDSyLb+82YYHifGZ7TUYysswN3obBSYwT4uEdcNK/L2fwLC9uVSCww4eiAyXr2XGTSEL3DKxQ0Egzm/J5FlD9
      oLMhL/OwGYYM5xX+n/g2D1g5mfzWcaYJHDO0P5nzniOPPvvPqqKknRUgEs05s3Kdvc50bJgbCYMLtd7MEoJ5YDqVgTaNEV8vZa8AAAAA3duX
      mAAB5QGEAgAAXoID2T4wDYsCAAAAAAFZWg==`),
  },
  noise: {
    made: '--check=none',
    plain: noise(200),
    xz: base64(`
      /Td6WFoAAAD/EtlBAgAhARYAAAB0L+WjAQDHwWdeC7mApXWolmH+wIqoO2Px7ghGnM2sn/c1qyeKhLptHBcM9cEYPIYHY7KBOF6Wc3p05fiQ
      j6+vzFJSFH+8W2Ks82upu2GHdXMOQ1O+VZ054dfyCbF5blxAqD7CS674gZDyUQFTW5IlC2/WbHtaJl6iFxIvxAK7It6fcHDTnUSF+O2WcECV
      1tIT7PLqsyMVjeS9fwSWn7HG7GiWTan0JNBAq89apyXzRbX5nLZP5ttbY9r8W22pVoXiOdeZQO5wpoI4kEWFml0AAAHYAcgBAADxz2OyqAAK
      /AIAAAAAAFla`),
  },
  blocks: {
    made: '--check=crc64 --block-size=400 -T2',
    plain: records(1000),
    xz: base64(`
      /Td6WFoAAATm1rRGA8CPAZADIQEWAAAALCcdN+ABjwCHXQAAaI/mnnNIYzkQse7VTnz/lQbnpr76MaapaLe8oxIH/dyleqie73KrlkfqY+pk
      iELbdQ0vvKFlJTPGQ1JtEehZirczfZIIRtQTpwPYU/KRYgaOXi/gtGQlJyvgEgvmPQO+ZGIStjIEjeIlEAgPbGnHEB0no+evGv67THTfW3Oh
      yX2Xnq9eJ8MAAOlviYSjWPY7A8CaAZADIQEWAAAAgG2a9uABjwCSXQA+gDAI/G3ICe5F9bh5qLgdOlhkfVkmP1JNl4hoKCH2+g+XId3jWhl4
      TcvB1pq4xSWonIcBZzfCmEaJgWHpnjv/kQzRaE+rcbx5uCkpXlDnDdlMXpf5SiulRv9uB4kyp1dgwbiW/s7lxgl4LcbHA0C05U7yzjM0Vr/y
      6B0tCMsHrZ6ow94dIhcx5WTSw63cJir1nAAAAF7DtY2BSCoEA8BgyAEhARYAAAAA/h6G/uAAxwBYXQB9ADAIpGJB7uAlk68vOBXgoqB6rSsU
      D6sUUyxZcc4u7VYc+7mmuRvaSGubFAh3X9zCesgPXYA9Xzd08n7Pfoh3gGOFqKCEO2TSfQ7QYqYyT14lfpbdYrUAAADJFmhWBlXjAAOnAZAD
      sgGQA3jIAQAAALaLD/usJz4tBAAAAAAEWVo=`),
  },
  streams: {
    made: 'three streams with padding, the second of them empty',
    plain: concatenate([records(300), noise(60)]),
    xz: base64(`
      /Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4AErAHJdAABoj+aec0hjORCx7tVOfP+VBuemvvoxpqlot7yjEgf93KV6qJ7vcquWR+pj6mSIQtt1
      DS+8oWUlM8ZDUm0R6FmKtzN9kghG1BOnA9hT8pFiBo5eL+C0ZCUnK+ASC+Y9A75kYhK2MgSN4iUQCA8PAzsJAAAAAMyxKXIAAYoBrAIAAAC4
      J0U+MA2LAgAAAAABWVoAAAAAAAAAAP03elhaAAAE5ta0RgAAAAAc30QhH7bzfQEAAAAABFla/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQA7
      wWdeC7mApXWolmH+wIqoO2Px7ghGnM2sn/c1qyeKhLptHBcM9cEYPIYHY7KBOF6Wc3p05fiQj6+vzFJSABiNipi+tZx+AAFUPPxRPtEftvN9
      AQAAAAAEWVoAAAAA`),
  },
  zeros: {
    made: '--check=crc32',
    plain: new Uint8Array(2_200_000),
    xz: base64(`
      /Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj//8RAWxdAABv/f//o7f/Rz5IFXI5YVG4kijmo4YH+e7kHoLTL8U6PAFLsX7JiopNL6MN2X+m44wj
      EVPgWRjFdYrid/i2lH8MasDedElk4ulcU7IE2PdEDKtfDW1G6eXDdoi3llestk3haR1v+0uIEGxCy4g/XACP0E6vJiiUcR89jyThcJ6nI1/s
      KMuF0ZWYin4qkfIndfcZwAaYTZj92K/VkA/EJVP49ZE2MQWlsO5vwXBNRwzRkRGqrWAdus6xJxhcWYbpZlJYvul2rFnk5VsFCPnH2q38+1Ir
      dM0eWyBC+d1TPfgpZAk7gMsqbN+1O/DEvS5fqg8+S2ZCkBMO/xCT+HF4WfgLzf+VKEYPqfx83vuaMC5WwI+F84OBwGXEJVP49ZE2MQWlsO5v
      wXBNRwzRkRGqrWAdus6xJxhcWYbpZlJYvul2rFnk5VsFCPnH2q38+1IrdM0eWyBC+d1TPfgpZAk7gMsqbN+1O/DEvEgn5liBkq0AFADsc1On
      /b6ufDEan7eNMWJimicAAAAAADSUrFoAAZ4DwKOGAVrbNBQ+MA2LAgAAAAABWVo=`),
  },
} as const satisfies Readonly<Record<string, XzSample>>;

/** What a file made by hand has that is not as it should be. */
export interface HandMade {
  readonly check?: number;
  /** The flags of the stream, if not those of the check. */
  readonly streamFlags?: number;
  readonly blockFlags?: number;
  /** What the block header has between flags and padding. */
  readonly fields?: readonly number[];
  readonly chunks?: readonly number[];
  readonly blockPadding?: number;
  /** The sizes in the index, as bytes of integers. */
  readonly plainBytes?: readonly number[];
  readonly unpaddedBytes?: readonly number[];
  readonly records?: number;
  readonly indexPadding?: number;
  readonly backwardSize?: number;
}

const LZMA2 = [0x21, 1, 0];
const HEADER_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
/** "abc", then the end. */
const CHUNKS = [1, 0, 2, 0x61, 0x62, 0x63, 0];

/** A file of one block, whose CRCs are right. By itself it has the bytes "abc" and no check. */
export function handMade(made: HandMade): Uint8Array {
  const flags = new ByteWriter().u16(made.streamFlags ?? (made.check ?? 0) << 8).finish();
  const fields = new ByteWriter()
    .u8(made.blockFlags ?? 0)
    .append(made.fields ?? LZMA2)
    .zeros(2)
    .finish();
  const header = sealed(new ByteWriter().u8((fields.length + 4) >> 2).append(fields));
  const chunks = made.chunks ?? CHUNKS;
  const block = new ByteWriter().append(header).append(chunks);
  const unpadded = made.unpaddedBytes ?? [block.length];
  while (block.length % 4 !== 0) block.u8(made.blockPadding ?? 0);
  const index = new ByteWriter()
    .u8(0)
    .u8(made.records ?? 1)
    .append(unpadded)
    .append(made.plainBytes ?? [3]);
  while (index.length % 4 !== 0) index.u8(made.indexPadding ?? 0);
  const backwardSize = made.backwardSize ?? index.length >> 2;
  const footer = new ByteWriter().u32(backwardSize).append(flags).finish();
  return new ByteWriter()
    .append(HEADER_MAGIC)
    .append(flags)
    .u32(crc32(flags))
    .append(block.finish())
    .append(sealed(index))
    .u32(crc32(footer))
    .append(footer)
    .text('YZ')
    .finish();
}

/** With padding, and its CRC-32 behind it. */
function sealed(writer: ByteWriter): Uint8Array {
  const bytes = writer.align(4).finish();
  return new ByteWriter().append(bytes).u32(crc32(bytes)).finish();
}
