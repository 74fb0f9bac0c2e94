package timings

import (
	"strings"

	"github.com/provisor/provisor/plugins/terraform/internal/enginelog"
)

// initPart is the part of an init that begins with the event, or that only the one before it ends. Terraform says so by a
// message code; OpenTofu, and a Terraform whose init has no JSON, by the text alone.
func initPart(e *enginelog.Event) (resource string, ends bool) {
	switch e.MessageCode {
	case "initializing_backend_message", "initializing_state_store_message":
		return "backend", false
	case "initializing_modules_message", "upgrading_modules_message":
		return "modules", false
	case "initializing_provider_plugin_message":
		return "provider plugins", false
	case "output_init_success_message", "output_init_success_cloud_message":
		return "", true
	case "":
		return initPartByText(strings.TrimSpace(e.Message))
	}
	return "", false
}

func initPartByText(text string) (resource string, ends bool) {
	switch text {
	case "Initializing the backend...", "Initializing cloud backend...":
		return "backend", false
	case "Initializing modules...", "Upgrading modules...":
		return "modules", false
	case "Initializing provider plugins...":
		return "provider plugins", false
	case "Terraform has been successfully initialized!", "OpenTofu has been successfully initialized!",
		"Terraform Cloud has been successfully initialized!", "HCP Terraform has been successfully initialized!",
		"Cloud backend has been successfully initialized!":
		return "", true
	}
	return "", false
}
