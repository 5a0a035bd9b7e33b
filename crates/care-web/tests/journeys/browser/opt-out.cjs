// Drives the opt-out service in a real Chromium, without JavaScript on its pages. One JSON line a check on
// standard output: {"check": "...", "ok": true|false, "why": "..."}. Exit 0 when every check passed.
//
// node opt-out.cjs SERVICE_URL CONNECT_CARE_URL CHROMIUM [SCREENSHOT_FOLDER]
'use strict'
const path = require('node:path')
const fs = require('node:fs')
const { chromium } = require('playwright-core')
const axeSource = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const [service, care, executablePath, shots] = process.argv.slice(2)
let failed = 0
function check (name, ok, why = '') {
  if (!ok) failed += 1
  console.log(JSON.stringify({ check: name, ok: Boolean(ok), why: String(why).slice(0, 1500) }))
}

// Everything a page must be, in the state it is in.
async function look (page, name) {
  await page.waitForLoadState('load')
  const url = page.url()
  check('no person in the address of ' + name, !/\d{10}|stern|jacob/i.test(url), url)
  const seen = await page.evaluate(() => ({
    h1: document.querySelectorAll('h1').length,
    lang: document.documentElement.lang,
    levels: [...document.querySelectorAll('h1,h2,h3,h4')].filter(h => h.offsetParent).map(h => Number(h.tagName[1])),
    title: document.title
  }))
  check('one h1 on ' + name, seen.h1 === 1, seen.h1)
  check('language on ' + name, seen.lang === 'en', seen.lang)
  check('title of ' + name, !/stern|\d{10}/i.test(seen.title) && seen.title.includes('–'), seen.title)
  check('headings of ' + name, seen.levels.every((level, at) => at === 0 || level <= seen.levels[at - 1] + 1), seen.levels)
  await page.evaluate(axeSource)
  const found = await page.evaluate(async () => {
    const result = await window.axe.run(document, {
      runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }
    })
    return result.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | '))
  })
  check('axe ' + name, found.length === 0, found.join('; '))
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 900 })
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    check(`${name} fits ${width} pixels`, wide <= width, wide)
    if (shots) await page.screenshot({ path: path.join(shots, `${name.replace(/\W+/g, '-')}-${width}.png`), fullPage: true })
  }
}

async function withBrowser (run) {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try { await run(browser) } finally { await browser.close() }
}

// The page's own scripts do not run; axe is put in from outside.
async function fresh (browser) {
  const context = await browser.newContext({ bypassCSP: true })
  await context.route('**/*.js', route => route.abort())
  return context.newPage()
}

async function who (page, given, family, born, number) {
  await page.fill('#given', given)
  await page.fill('#family', family)
  await page.fill('#birth-day', born.day)
  await page.fill('#birth-month', born.month)
  await page.fill('#birth-year', born.year)
  await page.fill('#nhs-number', number)
}

// The demonstration's people are as old as the story says, so their birth dates move; the operator's page
// is not asked for them: the list of cast ages gives the year.
function bornOf (age, month, day) {
  const now = new Date()
  const had = now.getMonth() + 1 > month || (now.getMonth() + 1 === month && now.getDate() >= day)
  return { day: String(day), month: String(month), year: String(now.getFullYear() - age - (had ? 0 : 1)) }
}
const JACOB = ['Jacob', 'Stern', bornOf(40, 12, 5), '999 000 0107']

async function operator (browser) {
  const page = await fresh(browser)
  await page.goto(service + '/operator')
  check('operators log in first', page.url().endsWith('/operator/login'), page.url())
  await look(page, 'operator login')
  await page.locator('button', { hasText: 'Olive' }).click()
  await look(page, 'operator work')
  await page.click('text=New phone call')
  await look(page, 'phone call who')
  await page.click('main button[type=submit]')
  await look(page, 'phone call who errors')
  await who(page, ...JACOB)
  await page.click('main button[type=submit]')
  await look(page, 'phone call case')
  check('the operator sees whom it is about', (await page.textContent('h1')).includes('Jacob Stern'))
  await page.click('button:has-text("Set the choice")')
  await look(page, 'phone call case errors')
  for (const id of ['fact-name', 'fact-birth', 'fact-address', 'setter-self', 'choice-out', 'explained']) await page.check('#' + id)
  await page.click('button:has-text("Set the choice")')
  await look(page, 'phone call done')
  check('the choice is set', (await page.textContent('main')).includes('The choice is set'))
  await page.click('nav a:has-text("Letters")')
  await look(page, 'letters')
  await page.click('main button:has-text("Posted")')
  check('the letter was posted', (await page.textContent('main table')).includes('Yes'))
  await page.click('nav a:has-text("Paper form")')
  await look(page, 'paper form who')
}

// Jacob looks online at what was set by phone, changes his mind twice, and stays out.
async function online (browser) {
  const page = await fresh(browser)
  await page.goto(care + '/choices/national-data-opt-out')
  await page.locator(`a[href="${service}"]`).first().click()
  await look(page, 'start')
  await page.click('a:has-text("Start now")')
  await look(page, 'who')
  await page.click('main button[type=submit]')
  await look(page, 'who errors')
  await who(page, ...JACOB)
  await page.click('main button[type=submit]')
  await look(page, 'code')
  await page.fill('#code', '1')
  await page.click('main button[type=submit]')
  await look(page, 'code error')
  const phone = await page.context().newPage()
  await phone.goto(service + '/messages')
  await look(phone, 'messages')
  const code = /(\d{6}) is your code/.exec(await phone.textContent('main'))[1]
  await phone.close()
  await page.fill('#code', code)
  await page.click('main button[type=submit]')
  await look(page, 'choice')
  check('what was set by phone is shown', (await page.textContent('main')).includes('may not be used'))
  await page.check('#choice-out')
  await page.click('main button[type=submit]')
  await look(page, 'check')
  await page.click('button:has-text("Confirm my choice")')
  await look(page, 'done')
  await page.click('main a:has-text("Your choices so far")')
  await look(page, 'history')
  const rows = await page.locator('tbody tr').count()
  check('both choices are in the history', rows === 2, rows)
  await page.goto(service + '/paper-form')
  await look(page, 'paper form to print')
  await page.goto(service + '/nowhere')
  await look(page, 'not found')
}

// Who answers for the check sees counts only.
async function officer (browser) {
  const page = await fresh(browser)
  await page.goto(care + '/staff/login')
  await page.locator('a:has-text("Continue")').first().click()
  await page.locator('button[name="user"][value="privacy-officer"]').click()
  await page.goto(care + '/ig')
  await page.locator('nav a:has-text("Opt-out checks")').first().click()
  await look(page, 'opt-out checks')
  await page.fill('#numbers', '999 000 0107')
  await page.locator('main button:has-text("Ask")').click()
  await look(page, 'opt-out checks errors')
  check('a list of one is not asked about', (await page.textContent('main')).includes('would tell their choice'))
}

withBrowser(async browser => {
  await operator(browser)
  await officer(browser)
  await online(browser)
}).then(() => process.exit(failed ? 1 : 0), error => {
  check('the journey ran to its end', false, error.stack)
  process.exit(1)
})
