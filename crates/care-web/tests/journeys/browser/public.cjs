// The public site and the portal in a real Chromium, without JavaScript on the pages' side. One JSON
// line a check on standard output: {"check": "...", "ok": true|false, "why": "..."}.
//
// node public.cjs BASE_URL CHROMIUM [SCREENSHOT_FOLDER]
'use strict'
const path = require('node:path')
const fs = require('node:fs')
const { chromium } = require('playwright-core')
const axeSource = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const [base, executablePath, shots] = process.argv.slice(2)
let failed = 0
function check (name, ok, why = '') {
  if (!ok) failed += 1
  console.log(JSON.stringify({ check: name, ok: Boolean(ok), why: String(why).slice(0, 1500) }))
}

const PUBLIC = ['/', '/about', '/what-is-shared', '/who-can-see', '/organisations', '/choices', '/choices/connect-care',
  '/choices/national-data-opt-out', '/choices/exceptional-circumstances', '/choices/form', '/leaflet',
  '/leaflet/large-print', '/leaflet/easy-read', '/leaflet/languages', '/leaflet/cy', '/leaflet/ar', '/leaflet/bn', '/leaflet/order/paper', '/choices/form/easy-read', '/transparency',
  '/privacy', '/cookies', '/accessibility', '/contact', '/service-status', '/me/login']
const OWN = ['/me', '/me/shared', '/me/who-looked', '/me/who-looked?own=1', '/me/choices', '/me/choices/who', '/me/choices/what',
  '/me/choices/talk', '/me/choices/confirm', '/me/choices/call', '/me/who-looked/1',
  '/me/acting-for', '/me/acting-for/add', '/me/acting-for/code', '/me/acting-for/ask', '/me/download', '/me/requests', '/me/settings', '/me/whose']

async function look (page, name) {
  await page.evaluate(axeSource)
  const seen = await page.evaluate(async () => {
    const result = await window.axe.run(document, {
      runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }
    })
    const limit = window.innerWidth
    return {
      violations: result.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | ')),
      h1: document.querySelectorAll('h1').length,
      lang: document.documentElement.lang,
      levels: [...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1])),
      wide: document.documentElement.scrollWidth,
      limit,
      culprits: [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > limit + 1 && !e.closest('.cc-scroll')).slice(0, 4).map(e => e.tagName + '.' + e.className),
      scripts: document.querySelectorAll('script').length,
      title: document.title,
      small: [...document.querySelectorAll('button, .nhsuk-button, .cc-nav__link')].filter(e => e.getBoundingClientRect().height < 24).map(e => e.textContent.trim())
    }
  })
  const at = name + ' at ' + seen.limit
  check('axe ' + at, seen.violations.length === 0, seen.violations.join('; '))
  check('one h1 on ' + at, seen.h1 === 1, seen.h1)
  check('lang on ' + at, seen.lang === 'en')
  check('no heading level is skipped on ' + at, !seen.levels.some((level, place) => place > 0 && level > seen.levels[place - 1] + 1), seen.levels.join(','))
  check('no sideways scroll on ' + at, seen.wide <= seen.limit, seen.wide + ' ' + seen.culprits.join('; '))
  check('no script of ours on ' + at, seen.scripts === 0, seen.scripts)
  check('targets are large enough on ' + at, seen.small.length === 0, seen.small.join(', '))
  check('no name in the title or address of ' + at, !/Maya|Patel|999/.test(seen.title + new URL(page.url()).pathname), seen.title)
  if (shots) await page.screenshot({ path: path.join(shots, name.replace(/[^a-z0-9]+/gi, '-') + '-' + seen.limit + '.png'), fullPage: true })
}

async function visit (pages, address) {
  for (const page of pages) {
    const answer = await page.goto(base + address)
    check('200 on ' + address, answer.status() === 200, answer.status())
    await look(page, address)
  }
}

async function main () {
  const browser = await chromium.launch({
    executablePath,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-default-apps', '--no-default-browser-check']
  })
  const wide = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  const page = await wide.newPage()
  const foreign = []
  const complaints = []
  page.on('request', request => { if (!request.url().startsWith(base) && !request.url().startsWith('data:')) foreign.push(request.url()) })
  page.on('console', message => { if (/Content Security Policy/.test(message.text())) complaints.push(message.text()) })
  const narrow = await browser.newContext({ viewport: { width: 320, height: 640 } })
  for (const address of PUBLIC) await visit([page, await narrow.newPage()], address)

  // Four times the size: 1280 pixels of screen are 320 of page.
  const zoomed = await (await browser.newContext({ viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 })).newPage()
  for (const address of PUBLIC) {
    await zoomed.goto(base + address)
    const wide = await zoomed.evaluate(() => document.documentElement.scrollWidth)
    check('400 % zoom has no sideways scroll on ' + address, wide <= 320, wide)
  }

  // An order, with a mistake on the way, without JavaScript.
  const orders = await (await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1280, height: 900 } })).newPage()
  await orders.goto(base + '/leaflet/order/paper')
  await orders.locator('main button').click()
  check('an order without a name is not taken', (await orders.title()).startsWith('Error: ') && (await orders.content()).includes('There is a problem'), await orders.title())
  await orders.locator('#name').fill('A. Reader')
  await orders.locator('#address').fill('1 Example Road\nLondon\nSE99 1AA')
  await orders.locator('main button').click()
  check('an order is taken and has a reference', (await orders.content()).includes('We have your order') && /CC-[0-9A-Z]{4}/.test(await orders.content()), orders.url())
  check('the order is not in the address', !orders.url().includes('Reader'), orders.url())

  await page.goto(base + '/')
  await page.locator('a:has-text("Who has looked at my record?")').click()
  check('who has looked asks to log in', page.url().includes('/me/login'), page.url())
  await page.locator('a:has-text("Continue")').click()
  await page.locator('button[name="user"][value="patient"]').click()
  check('logging in leads back to who has looked', page.url().endsWith('/me/who-looked'), page.url())
  check('the GP is in the list', (await page.content()).includes('Opened your record'))

  const phone = await (await browser.newContext({ viewport: { width: 320, height: 640 }, storageState: await wide.storageState() })).newPage()
  for (const address of OWN) await visit([page, phone], address)

  // The whole choice without JavaScript, with a mistake on the way.
  const bare = await (await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1280, height: 900 }, storageState: await wide.storageState() })).newPage()
  const go = async (words) => { await bare.locator(`main button:has-text("${words}"), main a.nhsuk-button:has-text("${words}")`).first().click() }
  await bare.goto(base + '/choices/connect-care')
  await go('Start now')
  await go('Continue')
  check('a missing answer is said', (await bare.title()).startsWith('Error: '), await bare.title())
  await bare.check('#answer-me'); await go('Continue')
  await bare.check('#answer-not-share'); await go('Continue')
  await bare.locator('a:has-text("Back")').first().click()
  check('going back keeps the answer', await bare.isChecked('#answer-not-share'), bare.url())
  await go('Continue')
  await bare.check('#answer-no'); await go('Continue')
  await bare.check('#confirm-letter'); await go('Continue')
  check('the answers are shown to check', (await bare.content()).includes('Do not share my record'), bare.url())
  await page.goto(base + '/me/choices/check'); await look(page, '/me/choices/check')
  await go('Confirm my choice')
  check('it is saved', (await bare.content()).includes('Your choice has been saved'), bare.url())
  await page.goto(base + '/me/choices/done'); await look(page, '/me/choices/done')
  await phone.goto(base + '/me/choices/done'); await look(phone, '/me/choices/done')
  await page.goto(base + '/me/choices'); await look(page, '/me/choices with history')
  await phone.goto(base + '/me/choices'); await look(phone, '/me/choices with history')

  // The paper form fits two sheets.
  await page.goto(base + '/choices/form')
  const pdf = (await page.pdf({ format: 'A4', margin: { top: '12mm', bottom: '12mm', left: '12mm', right: '12mm' } })).toString('latin1')
  const sheets = (pdf.match(/\/Type\s*\/Page[^s]/g) || []).length
  check('the paper form prints on two sides', sheets === 2, sheets)

  check('no request left for another host', foreign.length === 0, foreign.join(' '))
  check('the content security policy is kept', complaints.length === 0, complaints[0])
  await browser.close()
}

main().catch(why => { check('the journey ran to its end', false, why.stack || why) }).finally(() => { process.exitCode = failed ? 1 : 0 })
