import { createHash } from 'node:crypto';

/** Namespace of lvsctl's own UUIDs, made once at random. */
const NAMESPACE = Buffer.from('7b0f6f0e5a0b4c3f9a5e2f7d1c84b9d6', 'hex');

/** A UUID that follows from a name (RFC 9562, version 5): the same for the same name, always. Pure. */
export function uuidOf(name: string): string {
  const hash = createHash('sha1').update(NAMESPACE).update(name).digest();
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
