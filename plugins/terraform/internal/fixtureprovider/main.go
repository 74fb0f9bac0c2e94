// Command fixtureprovider is a Terraform provider for the end-to-end tests: it does on purpose what a test can't get from a provider
// of the field, such as failing half-way. It is no part of the product; only the tests build it.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
)

// address is the provider's, in the mirror that the tests make.
const address = "registry.terraform.io/provisor/fixture"

func main() {
	if err := providerserver.Serve(context.Background(), newProvider, providerserver.ServeOpts{Address: address}); err != nil {
		log.Fatal(err)
	}
}
