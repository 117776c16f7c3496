"""Several persons at one class: requests to look again, shares for tutors, and what is at hand in formgrader."""
