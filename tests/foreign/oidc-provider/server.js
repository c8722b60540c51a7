// An identity provider with one user, whom it logs in without a form. Its access tokens are for an
// API, and userinfo refuses them.
//
// node server.js PORT SITE CLIENT_SECRET
import Provider from 'oidc-provider';

const [port, site, client_secret] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const api = 'https://api.portico.test';
const scopes = 'openid profile email';
const user = { sub: 'user', name: 'Uma User', email: 'user@example.com', email_verified: true };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'portico',
      client_secret,
      redirect_uris: [`${site}callback`],
      post_logout_redirect_uris: [site],
      grant_types: ['authorization_code', 'refresh_token'],
    },
  ],
  findAccount: (_, accountId) => ({ accountId, claims: () => user }),
  claims: { profile: ['name'], email: ['email', 'email_verified'] },
  // The ID token has the claims that userinfo would add.
  conformIdTokenClaims: false,
  issueRefreshToken: () => true,
  ttl: { AccessToken: 4 },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: '', audience: api, accessTokenTTL: 4 }),
    },
    rpInitiatedLogout: {
      logoutSource: (ctx, form) => {
        const button = '<button name="logout" value="yes">Yes, log out</button>';
        ctx.body = `<!DOCTYPE html><title>Log out</title>${form.replace('</form>', `${button}</form>`)}`;
      },
    },
  },
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) {
    return next();
  }
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  const result = {};
  if (prompt.name === 'login') {
    result.login = { accountId: user.sub };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(scopes);
    result.consent = { grantId: await grant.save() };
  }
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result);
});

provider.listen(Number(port), '127.0.0.1');
