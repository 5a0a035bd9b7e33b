// Connecting an app in a real Chromium: the page that asks and the list of what is connected, by keyboard alone, at
// two widths, checked for accessibility. One JSON line a check on standard output.
//
// node apps.cjs BASE_URL CHROMIUM [SCREENSHOT_FOLDER]
'use strict'
const path = require('node:path')
const fs = require('node:fs')
const crypto = require('node:crypto')
const http = require('node:http')
const { chromium } = require('playwright-core')
const axeSource = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const [base, executablePath, shots] = process.argv.slice(2)
let failed = 0
function check (name, ok, why = '') {
  if (!ok) failed += 1
  console.log(JSON.stringify({ check: name, ok: Boolean(ok), why: String(why).slice(0, 1500) }))
}

const BACK = 'http://localhost:9090/callback'
function ask (client, scope) {
  const challenge = crypto.createHash('sha256').update('v'.repeat(43)).digest('base64url')
  return base + '/oauth/authorize?' + new URLSearchParams({
    response_type: 'code', client_id: client, redirect_uri: BACK, scope, state: 's', nonce: 'n',
    aud: base + '/fhir/R4', code_challenge: challenge, code_challenge_method: 'S256'
  })
}

async function look (page, name) {
  await page.evaluate(axeSource)
  const seen = await page.evaluate(async () => {
    const result = await window.axe.run(document, {
      runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }
    })
    return {
      violations: result.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | ')),
      h1: document.querySelectorAll('h1').length,
      levels: [...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1])),
      wide: document.documentElement.scrollWidth,
      limit: window.innerWidth,
      small: [...document.querySelectorAll('main button, main .nhsuk-button')].filter(e => e.getBoundingClientRect().height < 40).map(e => e.textContent.trim())
    }
  })
  const at = name + ' at ' + seen.limit
  check('axe ' + at, seen.violations.length === 0, seen.violations.join('; '))
  check('one h1 on ' + at, seen.h1 === 1, seen.h1)
  check('no heading level is skipped on ' + at, !seen.levels.some((level, place) => place > 0 && level > seen.levels[place - 1] + 1), seen.levels.join(','))
  check('no sideways scroll on ' + at, seen.wide <= seen.limit, seen.wide)
  check('targets are large enough on ' + at, seen.small.length === 0, seen.small.join(', '))
  if (shots) await page.screenshot({ path: path.join(shots, name.replace(/[^a-z0-9]+/gi, '-') + '-' + seen.limit + '.png'), fullPage: true })
}

// Every control of the page, reached by Tab alone, each with something that shows where the focus is.
async function walked (page, name) {
  const controls = await page.evaluate(() => {
    document.activeElement?.blur()
    const all = [...document.querySelectorAll('main a[href], main button, main input:not([type=hidden]), main select, main textarea')]
    all.forEach((one, place) => { one.dataset.place = place })
    // Of radio buttons of one name Tab reaches one; the arrow keys go between them.
    const names = new Set()
    return all.filter(one => one.type !== 'radio' || (!names.has(one.name) && names.add(one.name))).map(one => one.dataset.place)
  })
  const met = new Set()
  for (let step = 0; step < 80; step++) {
    await page.keyboard.press('Tab')
    const here = await page.evaluate(() => {
      const one = document.activeElement
      if (!one?.dataset?.place) return null
      const label = one.labels?.[0]
      const shown = [one, label].filter(Boolean).some(part => ['', '::before'].some(which => {
        const style = getComputedStyle(part, which || null)
        return style.outlineStyle !== 'none' || style.boxShadow !== 'none' || style.borderColor === 'rgb(33, 43, 50)'
      }))
      return { place: one.dataset.place, shown }
    })
    if (!here) continue
    if (met.has(here.place)) break
    met.add(here.place)
    check('the focus shows on control ' + here.place + ' of ' + name, here.shown)
  }
  check('every control of ' + name + ' is reached by keyboard', controls.every(place => met.has(place)), controls.filter(place => !met.has(place)).join(','))
}

async function main () {
  // The app's own address, which the browser is sent back to.
  const app = http.createServer((_, answer) => answer.end('back')).listen(9090, 'localhost')
  const browser = await chromium.launch({
    executablePath,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-default-apps', '--no-default-browser-check']
  })
  for (const [who, login, client, scope] of [
    ['patient', '/me/login', 'my-app', 'openid fhirUser launch/patient offline_access patient/Patient.rs patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory patient/MedicationRequest.rs'],
    ['district-nurse', '/staff/login', 'my-staff-app', 'openid fhirUser launch/patient online_access user/*.rs']
  ]) {
    for (const width of [1280, 320]) {
      const context = await browser.newContext({ viewport: { width, height: 800 }, javaScriptEnabled: true })
      const page = await context.newPage()
      await page.goto(ask(client, scope))
      check(who + ' is asked to log in first', page.url().includes(login), page.url())
      await page.locator('a:has-text("Continue"), main a.nhsuk-button').first().click()
      await page.locator(`button[name="user"][value="${who}"]`).click()
      check(who + ' comes back to the question', page.url().includes('/apps/allow/'), page.url())
      const name = 'allow ' + client
      await look(page, name)
      await walked(page, name + ' at ' + width)
      // Nothing chosen: it is said where
      for (const box of await page.locator('input[type=checkbox]').all()) await box.uncheck()
      await page.locator('button[value="allow"]').click()
      check('nothing chosen is said on ' + name, (await page.title()).startsWith('Error: '), await page.title())
      await look(page, name + ' with an error')
      const link = await page.locator('.nhsuk-error-summary a').first().getAttribute('href')
      check('the error leads to a control on ' + name, link && await page.locator(link).count() === 1, link)
      check('what was unticked stays unticked on ' + name, await page.locator('input[type=checkbox]:checked').count() === 0)
      for (const box of await page.locator('input[type=checkbox]').all()) await box.check()
      if (who === 'district-nurse') {
        await page.locator('#nhs-number').fill('999 000 0018')
        await page.locator('input[value="permission-today"]').check()
      }
      await page.locator('button[value="allow"]').focus()
      await page.keyboard.press('Enter')
      await page.waitForURL(BACK + '**')
      check('allowing leads back to the app from ' + name, /[?&]code=/.test(page.url()) && !page.url().includes('999'), page.url())
      await page.goto(base + '/apps')
      await look(page, 'apps ' + who)
      await walked(page, 'apps ' + who + ' at ' + width)
      const stop = page.locator('button:has-text("Stop")').first()
      await stop.focus()
      await Promise.all([page.waitForResponse(answer => answer.url().endsWith('/apps') && answer.request().method() === 'GET'), page.keyboard.press('Enter')])
      await page.waitForLoadState()
      await page.locator('h1').waitFor()
      check('stopping comes back to the list for ' + who, page.url().endsWith('/apps'), page.url())
      await look(page, 'apps ' + who + ' stopped')
      await context.close()
    }
  }
  await browser.close()
  app.close()
  process.exit(failed ? 1 : 0)
}

main().catch(error => { console.error(error); process.exit(1) })
