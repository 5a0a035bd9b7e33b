// A real OpenID Connect provider (npm oidc-provider) with claims shaped as NHS CIS2 gives them.
//
// node provider.mjs PORT CLIENT_SECRET REDIRECT_URI
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
const entry = createRequire(process.env.NODE_PATH + '/')
const { Provider } = await import(pathToFileURL(entry.resolve('oidc-provider')).href)

const [port, secret, redirectUri] = process.argv.slice(2)
const issuer = `http://127.0.0.1:${port}`
const role = (id, organisation, code) => ({
  person_orgid: id + '-o', person_roleid: id, org_code: organisation, org_name: organisation,
  role_code: 'S0010:G0020:' + code, role_name: 'Clinical', activities: ['Receive Self Claimed LR Alerts'], activity_codes: ['B0062']
})
const people = {
  555000000001: { name: 'Ines Carver', acr: 'AAL3_ANY', roles: [role('100', 'X9C01', 'R8001')] },
  555000000002: { name: 'Peter Lund', acr: 'AAL3_ANY', roles: [role('200', 'X9T01', 'R8000'), role('201', 'X9P01', 'R8000')] },
  555000000003: { name: 'Ada Weak', acr: 'AAL1_USERPASS', roles: [role('300', 'X9T01', 'R8001')] },
  555000000004: { name: 'Sam Elsewhere', acr: 'AAL3_ANY', roles: [role('400', 'Z9Z99', 'R8001')] }
}

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'connect-care', client_secret: secret, redirect_uris: [redirectUri],
    response_types: ['code'], grant_types: ['authorization_code'], id_token_signed_response_alg: 'RS256'
  }],
  scopes: ['openid', 'profile', 'nationalrbacaccess'],
  claims: {
    openid: ['sub', 'acr', 'auth_time', 'authentication_assurance_level', 'nhsid_useruid'],
    profile: ['name'],
    nationalrbacaccess: ['nhsid_nrbac_roles', 'selected_roleid', 'idassurancelevel']
  },
  acrValues: ['AAL3_ANY', 'AAL1_USERPASS'],
  pkce: { required: () => true },
  cookies: { keys: ['only for this test'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (ctx, interaction) => '/interaction/' + interaction.uid },
  async findAccount (ctx, id) {
    const person = people[id]
    return person && {
      accountId: id,
      claims: async () => ({
        sub: id, nhsid_useruid: id, name: person.name, nhsid_nrbac_roles: person.roles, idassurancelevel: '3',
        authentication_assurance_level: person.acr.slice(3, 4), ...(person.roles.length === 1 ? { selected_roleid: person.roles[0].person_roleid } : {})
      })
    }
  },
  async loadExistingGrant (ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
    grant.addOIDCScope('openid profile nationalrbacaccess')
    await grant.save()
    return grant
  }
})

const callback = provider.callback()
createServer(async (request, response) => {
  const url = new URL(request.url, issuer)
  if (!url.pathname.startsWith('/interaction/')) return callback(request, response)
  const chosen = url.searchParams.get('as')
  if (chosen && people[chosen]) {
    const login = { accountId: chosen, acr: people[chosen].acr, amr: ['N3_SMARTCARD'], remember: false }
    return provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false })
  }
  const { prompt } = await provider.interactionDetails(request, response)
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end('<!doctype html><html lang="en"><title>Provider</title><h1>Care identity</h1><p id="prompt">' + prompt.name + '</p>' +
    Object.entries(people).map(([id, one]) => `<p><a id="as-${id}" href="${url.pathname}?as=${id}">${one.name}</a></p>`).join(''))
}).listen(Number(port), '127.0.0.1', () => console.log('ready'))
