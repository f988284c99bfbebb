/** Where an API server is, and who asks it. */
export interface Access {
  /** HTTPS, or HTTP to this machine. Its path is the prefix of all paths. */
  readonly url: URL;
  /** Where this program runs, or the namespace of the context; `default` where neither says. */
  readonly namespace: string;
  readonly proxy: Proxies;
  /**
   * What a request carries. Files, tokens and plug-ins are looked at again once a minute; with `anew` at once, as after an
   * answer of 401. Throws `CLUSTER_CONFIG_INVALID`, never with anything secret.
   */
  identify(options: { readonly anew: boolean; readonly signal?: AbortSignal | undefined }): Promise<Identity>;
}

/** As Node's agents take them: HTTPS_PROXY and so on. Empty: none. */
export type Proxies = Readonly<Record<string, string>>;

/** Secret: none of it may be shown. */
export interface Identity {
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly tls: TlsIdentity;
}

/** All PEM. */
export interface TlsIdentity {
  /** Absent: the authorities that Node trusts. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the certificate must have, where it is not the host's. */
  readonly servername?: string | undefined;
}
