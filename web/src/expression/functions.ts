/** JSONata's own functions, as the server's engine has them; a test there compares. */

export interface BuiltIn {
  name: string;
  /** Its arguments; those after `?` may be left out. */
  takes: string;
  gives: string;
  does: string;
}

const LINES = `
abs|number|number|The number without its sign
append|list, list|list|Both lists, one after the other
assert|condition, message?|nothing|Fails with the message unless the condition is true
average|list|number|The mean of numbers
base64decode|text|text|Text that was written in base64
base64encode|text|text|Text in base64
boolean|value|true or false|Whether a value counts as true
ceil|number|number|The next whole number above
contains|text, pattern|true or false|Whether a text has a part that matches
count|list|number|How many there are
decodeUrl|text|text|An address without its escapes
decodeUrlComponent|text|text|A part of an address without its escapes
distinct|list|list|Each value once
each|object, function|list|What the function gives for each value and key
encodeUrl|text|text|An address with escapes
encodeUrlComponent|text|text|A part of an address with escapes
error|message?|nothing|Fails with the message
eval|text, context?|value|What a text, taken as an expression, gives
exists|value|true or false|Whether there is a value
filter|list, function|list|Those for which the function is true
floor|number|number|The next whole number below
formatBase|number, base?|text|A number in another base
formatInteger|number, picture|text|A whole number as the picture says
formatNumber|number, picture, options?|text|A number as the picture says
fromMillis|number, picture?, zone?|text|A moment, given in milliseconds, as text
keys|object|list|The names of its members
join|list, separator?|text|Texts as one
keys|object|list|The names of its members
length|text|number|How many characters it has
lookup|object, key|value|The member of that name
lowercase|text|text|In small letters
map|list, function|list|What the function gives for each
match|text, pattern, limit?|list|The parts that match
max|list|number|The largest number
merge|list of objects|object|All members in one object
millis||number|Now, in milliseconds
min|list|number|The smallest number
not|value|true or false|The opposite
now|picture?, zone?|text|Now, as text
number|value|number|A number from text
pad|text, width, character?|text|Filled up to a width; on the left when negative
parseInteger|text, picture|number|A whole number from text
power|number, exponent|number|To the power of
random||number|Between 0 and 1
reduce|list, function, start?|value|All as one, by a function of two
replace|text, pattern, replacement, limit?|text|With what matches replaced
reverse|list|list|From the end
round|number, precision?|number|Rounded, halves to the even one
shuffle|list|list|In any order
sift|object, function|object|The members for which the function is true
single|list, function?|value|The only one
sort|list, function?|list|In order
split|text, separator, limit?|list|The parts between separators
spread|object|list|One object for each member
sqrt|number|number|The square root
string|value, indent?|text|As text; objects and lists as JSON
substring|text, start, length?|text|A part, counted from 0
substringAfter|text, text|text|What comes after
substringBefore|text, text|text|What comes before
sum|list|number|All added up
toMillis|text, picture?|number|A moment, as text, in milliseconds
trim|text|text|Without space at both ends
type|value|text|What kind of value it is
uppercase|text|text|In capital letters
zip|list, list|list|Pairs from both
`;

export const FUNCTIONS: BuiltIn[] = LINES.trim()
  .split("\n")
  .map((line) => {
    const [name = "", takes = "", gives = "", does = ""] = line.split("|");
    return { name, takes, gives, does };
  });
