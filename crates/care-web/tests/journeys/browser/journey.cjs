// Drives the running product in a real Chromium. One JSON line a check on standard output:
// {"check": "...", "ok": true|false, "why": "..."}. Exit 0 when every check passed.
//
// node journey.cjs BASE_URL CHROMIUM [SCREENSHOT_FOLDER]
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

const PEOPLE = { amara: '999 000 0018', bernard: '999 000 0026', ines: '999 000 0093', dilys: '999 000 0042' }
const SECTIONS = ['summary', 'timeline', 'problems', 'medicines', 'medicines?list=past', 'allergies', 'results',
  'results?view=by-date', 'results?view=reports', 'encounters', 'documents', 'care-plans', 'social-care', 'team',
  'search', 'sources']

async function signIn (page, user) {
  await page.goto(base + '/staff/login')
  await page.locator('a:has-text("Continue")').first().click()
  await page.locator(`button[name="user"][value="${user}"]`).click()
  if (page.url().includes('/staff/role')) await page.locator('main button[type="submit"]').first().click()
}

async function find (page, number) {
  await page.goto(base + '/staff/find')
  await page.fill('#nhs-number', number)
  await page.locator('form button:has-text("Find")').first().click()
}

async function open (page, number) {
  await find(page, number)
  await page.check('#reason-not-present')
  await page.locator('button:has-text("Open record")').click()
}

async function axe (page, name) {
  await page.evaluate(axeSource)
  const found = await page.evaluate(async () => {
    const result = await window.axe.run(document, {
      runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }
    })
    return result.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | '))
  })
  check('axe ' + name, found.length === 0, found.join('; '))
}

async function shape (page, name) {
  const seen = await page.evaluate(() => ({
    h1: document.querySelectorAll('h1').length,
    lang: document.documentElement.lang,
    levels: [...document.querySelectorAll('h1,h2,h3,h4')].filter(h => h.offsetParent).map(h => Number(h.tagName[1])),
    title: document.title
  }))
  check('one h1 on ' + name, seen.h1 === 1, seen.h1)
  check('lang on ' + name, seen.lang === 'en')
  const main = seen.levels.slice(seen.levels.indexOf(1))
  const skipped = main.some((level, place) => place > 0 && level > main[place - 1] + 1)
  check('no heading level is skipped on ' + name, !skipped, main.join(','))
  const told = /999 ?000|Osei|Amara|1945/i
  check('no identifier in address or title of ' + name, !told.test(seen.title) && !told.test(page.url()), seen.title + ' ' + page.url())
}

async function width (page, name) {
  const wide = await page.evaluate(() => {
    const limit = window.innerWidth
    const culprits = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > limit + 1 && !e.closest('.cc-scroll')).slice(0, 4)
    return { scroll: document.documentElement.scrollWidth, limit, culprits: culprits.map(e => e.tagName + '.' + e.className + ' ' + Math.round(e.getBoundingClientRect().right)) }
  })
  check(`no sideways scroll at ${wide.limit}px on ${name}`, wide.scroll <= wide.limit, wide.scroll + ' ' + wide.culprits.join('; '))
}

async function picture (page, name) {
  if (shots) await page.screenshot({ path: path.join(shots, name + '.png'), fullPage: true })
}

// Tab reaches every control in the order of the page, and none is covered by the banner.
async function keyboard (page, name) {
  const wanted = await page.evaluate(() => {
    const visible = e => e.offsetParent !== null && !e.disabled && e.type !== 'hidden' && !e.closest('details:not([open]) > :not(summary)')
    const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')].filter(visible)
    const radios = new Set()
    return all.filter(e => {
      if (e.type !== 'radio') return true
      if (radios.has(e.name)) return false
      radios.add(e.name)
      return true
    }).length
  })
  await page.evaluate(() => { window.scrollTo(0, 0); window.__last = null; document.querySelector('.nhsuk-skip-link').focus() })
  let covered = ''
  let backwards = ''
  const limit = Math.min(wanted + 5, 120)
  let reached = 1
  let last = null
  for (let n = 0; n < limit; n += 1) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate(() => {
      const e = document.activeElement
      if (!e || e === document.body) return null
      const previous = window.__last
      window.__last = e
      const box = e.getBoundingClientRect()
      const inBanner = Boolean(e.closest('.cc-banner'))
      const middle = document.elementFromPoint(Math.max(0, Math.min(box.left + Math.min(box.width / 2, 20), innerWidth - 2)), Math.max(0, Math.min(box.top + box.height / 2, innerHeight - 2)))
      const hidden = !inBanner && middle && Boolean(middle.closest('.cc-banner'))
      const order = previous && previous.isConnected ? Boolean(previous.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING) : true
      return { words: (e.textContent || e.id || e.name || '').trim().slice(0, 40), hidden, order }
    })
    if (!at) break
    reached += 1
    if (at.hidden) covered += at.words + '; '
    if (!at.order && last) backwards += at.words + '; '
    last = at
  }
  check('no focused control is covered on ' + name, covered === '', covered)
  check('the order of focus is the order of the page on ' + name, backwards === '', backwards)
  check('Tab reaches every control on ' + name, reached >= Math.min(wanted, limit) - 3, `${reached} of ${wanted}`)
}

async function main () {
  const browser = await chromium.launch({
    executablePath,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-default-apps', '--no-default-browser-check']
  })
  const wide = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  wide.setDefaultTimeout(20000)
  const page = await wide.newPage()
  const foreign = []
  const complaints = []
  page.on('request', request => { if (!request.url().startsWith(base) && !request.url().startsWith('data:')) foreign.push(request.url()) })
  page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
  // Chromium refuses axe's own script under our policy unless it is evaluated, as it is here.

  await page.goto(base + '/staff/login')
  await picture(page, 'c1-login')
  await shape(page, 'login'); await axe(page, 'login'); await width(page, 'login')
  const login = await page.locator('main').innerText()
  check('the log-in page says whether the service works, who may use it, that views are recorded, and whom to phone',
    /Connect Care is working[\s\S]*Who may use this[\s\S]*Every view is recorded[\s\S]*Phone 020/.test(login), login)
  const colour = await page.locator('main a[role=button]').evaluate(e => window.getComputedStyle(e).backgroundColor)
  check('one blue button continues', colour === 'rgb(0, 94, 184)', colour)
  await page.goto(base + '/no-such-page')
  await shape(page, 'a page that is not there'); await axe(page, 'a page that is not there')
  check('a page that is not there gives a reference', /Reference [A-Z0-9]{8}/.test(await page.locator('main').innerText()))
  await page.goto(base + '/staff/login')
  await page.locator('a:has-text("Continue")').first().click()
  await shape(page, 'the people of the demonstration'); await axe(page, 'the people of the demonstration'); await width(page, 'the people of the demonstration')
  await signIn(page, 'gp')
  await page.goto(base + '/staff/find')
  await picture(page, 'c3-find'); await shape(page, 'find'); await axe(page, 'find'); await width(page, 'find')
  await keyboard(page, 'find')

  await page.fill('#nhs-number', '999 000 0019')
  await page.locator('form button:has-text("Find")').first().click()
  check('a wrong check digit is said in words', (await page.content()).includes('Check the NHS number. The digits do not fit together'))
  check('the title of a page with errors says so', (await page.title()).startsWith('Error: '))
  await picture(page, 'c3-error'); await axe(page, 'find with an error')

  await find(page, PEOPLE.amara)
  await picture(page, 'c5-confirm'); await shape(page, 'confirm'); await axe(page, 'confirm'); await width(page, 'confirm')
  check('no banner on the confirm page', await page.locator('.cc-banner').count() === 0)
  await keyboard(page, 'confirm')
  await page.check('#reason-not-present')
  await page.locator('button:has-text("Open record")').click()
  const visit = page.url().replace(/summary$/, '')
  check('opening ends on the summary', page.url().endsWith('/summary'), page.url())
  await keyboard(page, 'summary')

  const narrow = await browser.newContext({ viewport: { width: 320, height: 640 }, storageState: await wide.storageState() })
  narrow.setDefaultTimeout(20000)
  const phone = await narrow.newPage()
  for (const section of SECTIONS) {
    const name = section.replace(/[?=]/g, '-')
    const answer = await page.goto(visit + section)
    check('200 on ' + section, answer.status() === 200, answer.status())
    const banner = await page.locator('.cc-banner__who').innerText().catch(() => '')
    const flat = banner.replace(/\s+/g, ' ')
    check('the banner on ' + section, /OSEI, Amara.*Born .*Gender Female.*NHS No\. 999 000 0018/.test(flat), flat)
    await shape(page, section); await axe(page, section); await width(page, section)
    await picture(page, 'record-' + name + '-1280')
    await phone.goto(visit + section)
    await width(phone, section); await axe(phone, section + ' at 320')
    await picture(phone, 'record-' + name + '-320')
  }
  for (const [list, link] of [['allergies', 'tbody a'], ['documents', 'tbody th a'], ['results', 'tbody th a']]) {
    await page.goto(visit + list)
    const first = page.locator(link).first()
    if (await first.count()) {
      await first.click()
      await shape(page, 'one of ' + list); await axe(page, 'one of ' + list); await width(page, 'one of ' + list)
      await picture(page, 'one-of-' + list)
    } else check('there is one of ' + list, false)
  }
  // Print: sections by tick boxes, the identity on each sheet, recorded as printed.
  await page.goto(visit + 'print'); await shape(page, 'print'); await axe(page, 'print'); await width(page, 'print')
  await page.uncheck('#section-summary'); await page.uncheck('#section-medicines'); await page.uncheck('#section-allergies')
  await page.locator('button:has-text("Prepare")').click()
  check('printing nothing is an error in words', (await page.content()).includes('Choose at least one section'))
  await page.check('#section-medicines'); await page.check('#section-allergies')
  await page.locator('button:has-text("Prepare")').click()
  await shape(page, 'the print view'); await axe(page, 'the print view'); await width(page, 'the print view'); await picture(page, 'c21-print')
  const sheet = await page.locator('.cc-sheet').innerText()
  check('a sheet names the person above and who printed it below',
    /^OSEI, Amara/.test(sheet) && /Printed by Dr Ruth Sandover.*Confidential/.test(sheet) && /Medicines[\s\S]*Allergies and reactions/.test(sheet), sheet.slice(0, 300))
  await page.emulateMedia({ media: 'print' })
  check('paper has no navigation', await page.locator('.cc-header').isHidden() && await page.locator('.cc-footer').isHidden())
  await page.emulateMedia({ media: 'screen' })
  await page.goto(base + '/staff/my-access')
  await shape(page, 'my access'); await axe(page, 'my access'); await width(page, 'my access'); await picture(page, 'c24-my-access')
  const mine = (await page.locator('tbody tr').first().innerText()).replace(/\s+/g, ' ')
  check('my access shows the visit, its sections and that it was printed', /OSEI, Amara .*999 000 0018 .*Direct care.*Allergies.*Yes/.test(mine), mine)
  const file = await page.request.get(base + '/staff/my-access.csv')
  check('my access is there as a file', file.headers()['content-type'].startsWith('text/csv') && (await file.text()).includes('"999 000 0018"'))
  await page.goto(base + '/staff/my-access?from=02-Jan-2020&to=03-Jan-2020')
  check('my access can be filtered by day', (await page.content()).includes('You opened no record in this time'))
  await phone.goto(base + '/staff/my-access'); await width(phone, 'my access'); await axe(phone, 'my access at 320')
  // C6 stops the reader before something risky.
  await find(page, PEOPLE.amara)
  const emergency = page.url().replace('/confirm/', '/emergency/')
  await page.goto(emergency); await shape(page, 'emergency'); await axe(page, 'emergency'); await width(page, 'emergency')
  check('emergency access says how long it lasts', await page.locator('button:has-text("Open for 60 minutes")').count() === 1)
  await page.locator('button:has-text("Open for")').click()
  check('emergency access needs a reason and words', await page.locator('.nhsuk-error-summary li').count() === 2)
  await axe(page, 'emergency with errors'); await picture(page, 'c6-emergency')
  await phone.goto(emergency); await width(phone, 'emergency')
  // 1280 px at 400% is a window of 320 CSS pixels.
  await phone.goto(base + '/staff/find'); await width(phone, 'find'); await picture(phone, 'c3-find-320')

  await find(page, PEOPLE.bernard)
  if (await page.locator('#reason-not-present').count()) {
    await page.check('#reason-not-present')
    await page.locator('button:has-text("Open record")').click()
  }
  check('a person who objected is refused', !page.url().includes('/record/'), page.url())
  check('the refusal teaches the next step', (await page.content()).includes('What you can do'))
  await picture(page, 's9-refused'); await axe(page, 'refused')

  await find(page, PEOPLE.ines)
  await picture(page, 's13-confirm'); await axe(page, 'confirm of somebody who died')
  await find(page, PEOPLE.dilys)
  await picture(page, 's15-confirm')
  check('a protected address is not shown', (await page.content()).includes('Protected'))
  await page.goto(base + '/staff/recent'); await shape(page, 'recent'); await axe(page, 'recent'); await picture(page, 'c23-recent')
  await page.goto(base + '/staff/help'); await shape(page, 'help'); await axe(page, 'help')
  await page.goto(visit + 'wrong-person'); await axe(page, 'wrong person'); await picture(page, 'c22-wrong')
  await page.goto(visit + 'summary')
  await page.locator('button:has-text("Close record")').click()
  check('closing goes to find a person', page.url().includes('/staff/find'), page.url())
  await page.goto(visit + 'summary')
  check('a closed visit shows nothing', page.url().includes('/staff/find') && (await page.content()).includes('Your time in this record has ended'), page.url())

  // The same journey without JavaScript.
  const plain = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1280, height: 900 } })
  plain.setDefaultTimeout(20000)
  const bare = await plain.newPage()
  await signIn(bare, 'gp')
  await open(bare, PEOPLE.amara)
  check('without JavaScript: summary', bare.url().endsWith('/summary'), bare.url())
  await bare.locator('.cc-menu a:has-text("Allergies"):visible').first().click()
  check('without JavaScript: allergies', (await bare.locator('h1').innerText()) === 'Allergies and reactions', bare.url())

  check('no request left for another host', foreign.length === 0, foreign.join(' '))
  const policy = complaints.filter(text => /Content Security Policy/.test(text))
  check('the content security policy is kept', policy.length === 0, policy[0])
  await browser.close()
}

main().catch(why => { check('the journey ran to its end', false, why.stack || why) }).finally(() => { process.exitCode = failed ? 1 : 0 })
