import { hash } from 'node:crypto';

/** Namespace of lvsctl's own UUIDs, made once at random. */
const NAMESPACE = Buffer.from('7b0f6f0e5a0b4c3f9a5e2f7d1c84b9d6', 'hex');

/** A UUID that follows from a name (RFC 9562, version 5): the same for the same name, always. Pure. */
export function uuidOf(name: string): string {
  const hex = hash('sha1', Buffer.concat([NAMESPACE, Buffer.from(name)]), 'hex');
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(18, 20)}-${hex.slice(20, 32)}`;
}
