// Command csv is the adapter for CSV files: exports of gym-management systems
// and spreadsheets that hold people, one a row. It reads UTF-8, UTF-16 and
// Windows-1252, compressed or not, from one file, a folder or a pattern, and
// needs a header line that names the columns.
package main

import "github.com/rosterd/rosterd/plugins/sdk/serve"

func main() { serve.Main(adapter()) }
