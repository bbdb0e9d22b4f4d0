// The library of the CDI project as a second opinion on specification files: what `cdi validate` of the same
// project prints is this cache's errors.
package main

import (
	"flag"
	"fmt"
	"strings"

	"tags.cncf.io/container-device-interface/pkg/cdi"
)

// cdiVerdict is "good DEVICE..." or "bad ERROR..."; the library ends in a panic for a list with a null.
func cdiVerdict(dir string) (verdict string) {
	defer func() {
		if why := recover(); why != nil {
			verdict = fmt.Sprint("bad panic: ", why)
		}
	}()
	cache, err := cdi.NewCache(cdi.WithAutoRefresh(false), cdi.WithSpecDirs(dir))
	if err != nil {
		return fmt.Sprintf("bad %q", err)
	}
	if errs := cache.GetErrors(); len(errs) > 0 {
		return fmt.Sprintf("bad %q", errs)
	}
	return "good " + strings.Join(cache.ListDevices(), " ")
}

// cdiValidate prints a line with the verdict for each directory of the command line.
func cdiValidate() error {
	for _, dir := range flag.Args() {
		fmt.Println(dir, cdiVerdict(dir))
	}
	return nil
}
