/** A NetworkManager profile, in its keyfile and live on its device. */
export interface ConnectionResource {
  kind: 'connection';
  device: string;
  type: 'ethernet' | 'loopback';
  profile: {
    name: string;
    uuid: string;
    /** Absolute path of the keyfile. */
    file: string;
    /** The keyfile's whole text. */
    content: string;
  };
  /** CIDRs that must be live on the device. */
  addresses: string[];
}
