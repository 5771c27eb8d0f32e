// An authorization server, oidc-provider, for `server.mjs CERTIFICATES`: over https on a free port.
//
// It prints `ready ISSUER VERSION` and then answers orders on its standard input, a line each:
//
//   rotate          signs with another key, and publishes the old one too
//   drop            publishes the newest key alone
//   refresh-token   a refresh token, as a user's consent would have led to
//   revoke TOKEN    an access token is over
//   down, up        the port is closed, and open again
//
// Two grants are none of its own, and are given to it by the way that it has for that: password
// (RFC 6749 §4.3) and JWT bearer (RFC 7523 §2.1).
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import readline from 'node:readline';

import { createLocalJWKSet, jwtVerify } from 'jose';
import { Provider, errors } from 'oidc-provider';

const [, , certificates] = process.argv;
const version = JSON.parse(fs.readFileSync('node_modules/oidc-provider/package.json')).version;
const file = (name) => fs.readFileSync(`${certificates}/${name}`);
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

// --- keys ----------------------------------------------------------------------------------------

const keys = [];
function addKey() {
  const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const kid = `key-${crypto.randomUUID()}`;
  keys.unshift({ ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' });
}
addKey();

// Who may issue assertions: the key of the client's certificate.
const { x, y, crv, kty } = crypto.createPublicKey(file('client.pem')).export({ format: 'jwk' });
const assertionKeys = createLocalJWKSet({ keys: [{ x, y, crv, kty, alg: 'ES256', use: 'sig' }] });

// --- the provider --------------------------------------------------------------------------------

// Survives a rotation of keys, as it would in a database.
const storage = new Map();
class Adapter {
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  async upsert(id, payload) { storage.set(this.key(id), payload); }
  async find(id) { return storage.get(this.key(id)); }
  async findByUid(uid) { return [...storage.values()].find((payload) => payload.uid === uid); }
  async findByUserCode() {}
  async consume(id) { storage.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { storage.delete(this.key(id)); }
  async revokeByGrantId(grant) {
    for (const [key, payload] of storage) if (payload.grantId === grant) storage.delete(key);
  }
}

const GRANTS = ['client_credentials', 'refresh_token', 'password', JWT_BEARER];
const client = (id, more) => ({
  client_id: id,
  client_secret: `secret of ${id}: &=+% "\\`,
  grant_types: GRANTS,
  redirect_uris: [],
  id_token_signed_response_alg: 'ES256',
  response_types: [],
  scope: 'feed:read feed:write offline_access',
  ...more,
});
const FEED = 'https://feed.example';

function configuration() {
  return {
    adapter: Adapter,
    clients: [
      client('feed'),
      client('poster', { token_endpoint_auth_method: 'client_secret_post' }),
      client('brief'),
    ],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    scopes: ['feed:read', 'feed:write', 'admin', 'offline_access'],
    jwks: { keys },
    cookies: { keys: ['not used'] },
    rotateRefreshToken: true,
    // The tokens of one client are over soon.
    ttl: { AccessToken: brief, ClientCredentials: brief, RefreshToken: 3600, Grant: 3600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      // With the parameter `resource` tokens are JWT, without they are opaque.
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'feed:read feed:write',
          audience: FEED,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  };
}

function brief(context, token, { clientId }) {
  return clientId === 'brief' ? 2 : 600;
}

// A token for a user, by a grant that somebody else has looked into.
async function issue(context, accountId) {
  const { provider, client, params } = context.oidc;
  const scope = params.scope ?? 'feed:read';
  const grant = new provider.Grant({ clientId: client.clientId, accountId });
  grant.addOIDCScope(scope);
  const grantId = await grant.save();
  const token = new provider.AccessToken({
    accountId, client, grantId, gty: params.grant_type, scope, expiresWithSession: false,
  });
  const accessToken = await token.save();
  context.body = {
    access_token: accessToken, token_type: 'Bearer', expires_in: token.expiration, scope,
  };
}

async function password(context, next) {
  const { username, password: given } = context.oidc.params;
  if (username !== 'ürsula' || given !== 'pass & word') throw new errors.InvalidGrant('not known');
  await issue(context, username);
  await next();
}

async function jwtBearer(context, next) {
  const { assertion } = context.oidc.params;
  const audience = `${context.oidc.issuer}/token`;
  const options = { audience, issuer: 'gateway 7', clockTolerance: 5 };
  const { payload } = await jwtVerify(assertion, assertionKeys, options).catch(() => {
    throw new errors.InvalidGrant('the assertion is not valid');
  });
  await issue(context, payload.sub);
  await next();
}

let issuer, provider;
function provide() {
  provider = new Provider(issuer, configuration());
  provider.registerGrantType('password', password, ['username', 'password', 'scope']);
  provider.registerGrantType(JWT_BEARER, jwtBearer, ['assertion', 'scope']);
}

// --- endpoints that fail -------------------------------------------------------------------------

const FAULTS = {
  '/faulty/slow': () => {},
  '/faulty/html': (response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>back soon</h1>');
  },
  '/faulty/429': (response) => {
    response.writeHead(429, { 'Retry-After': '7', 'Content-Type': 'application/json' });
    response.end('{"error":"slow_down"}');
  },
  '/faulty/503': (response) => response.writeHead(503, { 'Retry-After': '7' }).end(),
  '/faulty/large': (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ access_token: 'x'.repeat(5 << 20), token_type: 'Bearer' }));
  },
  '/faulty/redirect': (response) => response.writeHead(307, { Location: `${issuer}/token` }).end(),
};

const server = https.createServer({ cert: file('server.pem'), key: file('server.key') });
server.on('request', (request, response) => {
  const fault = FAULTS[request.url];
  if (fault) fault(response); else provider.callback()(request, response);
});

// --- orders --------------------------------------------------------------------------------------

async function refreshToken() {
  const grant = new provider.Grant({ clientId: 'brief', accountId: 'ursula' });
  grant.addOIDCScope('offline_access');
  grant.addResourceScope(FEED, 'feed:read');
  const token = new provider.RefreshToken({
    client: await provider.Client.find('brief'),
    accountId: 'ursula',
    grantId: await grant.save(),
    gty: 'authorization_code',
    scope: 'offline_access feed:read',
    resource: FEED,
    expiresWithSession: false,
  });
  return token.save();
}

const ORDERS = {
  rotate: () => { addKey(); provide(); return keys[0].kid; },
  drop: () => { keys.splice(1); provide(); return keys[0].kid; },
  'refresh-token': refreshToken,
  revoke: async (value) => {
    await (await provider.ClientCredentials.find(value)).destroy();
    return 'revoked';
  },
  down: () => new Promise((resolve) => {
    server.close(() => resolve('down'));
    server.closeAllConnections();
  }),
  up: () => new Promise((resolve) => {
    server.listen(Number(new URL(issuer).port), '127.0.0.1', () => resolve('up'));
  }),
};

server.listen(0, '127.0.0.1', () => {
  issuer = `https://localhost:${server.address().port}`;
  provide();
  console.log(`ready ${issuer} ${version}`);
  readline.createInterface({ input: process.stdin }).on('line', async (line) => {
    const [order, value] = line.split(' ');
    try {
      console.log(await ORDERS[order](value));
    } catch (problem) {
      console.log(`error: ${problem.message}`);
    }
  }).on('close', () => process.exit());
});
