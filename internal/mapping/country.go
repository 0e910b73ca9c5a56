package mapping

import (
	_ "embed"
	"strings"
	"unicode"
)

// countryTable has a line for each country: its codes of two and three letters
// by ISO 3166-1, its English name, its own name for itself, and what it is
// called in French, Spanish, German, Italian, Dutch, Portuguese and by short
// names (from the Unicode CLDR).
//
//go:embed countries.txt
var countryTable string

// placeFunctions know the codes of countries and states.
func placeFunctions() []function {
	return []function{
		{"country", "code", "country", "s", "text", "the code of two letters of a country, by its code or by its name: CA, CAN, Kanada", countryCode},
		{"country", "name", "country_name", "s", "text", "the English name of a country, by its code or by a name", countryName},
		{"state", "code", "state", "s, [country]", "text", "the code of a state or province of the US, Canada or Australia: ON; nil elsewhere", stateCode},
	}
}

func countryCode(e *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	return textValue(e.findCountry(text))
}

// countryName reads the name from the line of the code; only the first line has
// no line break before it.
func countryName(e *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	code := e.findCountry(text)
	if code == "" {
		return value{}
	}
	at := strings.Index(countryTable, "\n"+code+"|") + 1
	name, _, _ := strings.Cut(countryTable[at+len("CA|CAN|"):], "\n")
	name, _, _ = strings.Cut(name, "|")
	return textValue(name)
}

// maxPlaceName bounds what is looked up.
const maxPlaceName = 100

func (e *engine) findCountry(s string) string {
	if len(s) > maxPlaceName {
		return ""
	}
	if e.countries == nil {
		e.countries = countryNames()
	}
	key := placeKey(s)
	if code, ok := e.countries[key]; ok {
		return code
	}
	return e.countries[strings.TrimPrefix(key, "the")]
}

// countryNames maps the keys of codes and names to codes. A code wins over a
// name, and a name in the line of its own country over one that stands in two.
func countryNames() map[string]string {
	names := make(map[string]string, 8*250)
	for line := range strings.Lines(countryTable) {
		fields := strings.Split(strings.TrimSpace(line), "|")
		for i, name := range fields {
			key := placeKey(name)
			if _, taken := names[key]; !taken || i < 2 {
				names[key] = fields[0]
			}
		}
	}
	return names
}

// placeKey keeps the letters of a name, folded: U.S.A. is usa, and Trinidad &
// Tobago is trinidadandtobago.
func placeKey(s string) string {
	if len(s) == 2 && isAlnum(s[0]) && isAlnum(s[1]) {
		return strings.ToLower(s)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return r
		}
		return -1
	}, fold(strings.ReplaceAll(s, "&", " and ")))
}

func stateCode(e *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	country, ok := argument(args, 1).asText()
	if !ok {
		return badArgument(1, "text")
	}
	if len(text) > maxPlaceName || text == "" {
		return value{}
	}
	if country == "" {
		country = e.country()
	}
	return textValue(findState(placeKey(text), e.findCountry(country)))
}

// findState looks a state up in the country, which may lead its code: CA-ON.
func findState(key, country string) string {
	table := states(country)
	if table == "" {
		return ""
	}
	for _, key := range []string{key, strings.TrimPrefix(key, strings.ToLower(country))} {
		if at := strings.Index(table, "|"+key+"|"); at >= 0 && key != "" {
			line := table[strings.LastIndexByte(table[:at+1], '\n')+1:]
			return strings.ToUpper(line[1 : strings.IndexByte(line[1:], '|')+1])
		}
	}
	return ""
}

// states has a line for each state: its code, and the keys of its names, old
// codes and usual short names.
func states(country string) string {
	switch country {
	case "CA":
		return canadianProvinces
	case "US":
		return americanStates
	case "AU":
		return australianStates
	}
	return ""
}

const canadianProvinces = `
|ab|alberta|alta|
|bc|britishcolumbia|colombiebritannique|
|mb|manitoba|man|
|nb|newbrunswick|nouveaubrunswick|
|nl|newfoundlandandlabrador|newfoundland|labrador|terreneuveetlabrador|terreneuve|nf|nfld|
|ns|novascotia|nouvelleecosse|
|nt|northwestterritories|territoiresdunordouest|nwt|
|nu|nunavut|
|on|ontario|ont|
|pe|princeedwardisland|ileduprinceedouard|pei|
|qc|quebec|que|pq|
|sk|saskatchewan|sask|
|yt|yukon|yukonterritory|yk|
`

const americanStates = `
|al|alabama|ala|
|ak|alaska|
|az|arizona|ariz|
|ar|arkansas|ark|
|ca|california|calif|
|co|colorado|colo|
|ct|connecticut|conn|
|de|delaware|del|
|dc|districtofcolumbia|washingtondc|
|fl|florida|fla|
|ga|georgia|
|hi|hawaii|
|id|idaho|
|il|illinois|ill|
|in|indiana|ind|
|ia|iowa|
|ks|kansas|kans|
|ky|kentucky|
|la|louisiana|
|me|maine|
|md|maryland|
|ma|massachusetts|mass|
|mi|michigan|mich|
|mn|minnesota|minn|
|ms|mississippi|miss|
|mo|missouri|
|mt|montana|mont|
|ne|nebraska|nebr|
|nv|nevada|nev|
|nh|newhampshire|
|nj|newjersey|
|nm|newmexico|
|ny|newyork|
|nc|northcarolina|
|nd|northdakota|
|oh|ohio|
|ok|oklahoma|okla|
|or|oregon|ore|
|pa|pennsylvania|penn|penna|
|ri|rhodeisland|
|sc|southcarolina|
|sd|southdakota|
|tn|tennessee|tenn|
|tx|texas|tex|
|ut|utah|
|vt|vermont|
|va|virginia|
|wa|washington|wash|
|wv|westvirginia|
|wi|wisconsin|wis|
|wy|wyoming|wyo|
|pr|puertorico|
|vi|virginislands|usvirginislands|
|gu|guam|
|as|americansamoa|
|mp|northernmarianaislands|
|aa|armedforcesamericas|
|ae|armedforceseurope|
|ap|armedforcespacific|
`

const australianStates = `
|act|australiancapitalterritory|
|nsw|newsouthwales|
|nt|northernterritory|
|qld|queensland|
|sa|southaustralia|
|tas|tasmania|
|vic|victoria|
|wa|westernaustralia|
`
